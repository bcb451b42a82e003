/** The result of one check of `doctor`. */
export interface DoctorCheck {
  /** `version`, `role`, `cluster`, `database`, `rights`, `namespace`, `keys`, `eviction` or `clock`. */
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do; undefined if `ok`. */
  readonly todo: string | undefined;
  /** Whether the reaper cannot work until this is fixed: no pass runs. */
  readonly isBlocking: boolean;
}

export interface DoctorReport {
  /** Whether every check is fine. */
  readonly ok: boolean;
  readonly namespace: string;
  /** The address of Redis, without user and password. */
  readonly redis: string;
  readonly checks: readonly DoctorCheck[];
}

export const fine = (what: string, detail: string): DoctorCheck => ({
  what,
  ok: true,
  detail,
  todo: undefined,
  isBlocking: false,
});

export const notFine = (what: string, detail: string, todo: string): DoctorCheck => ({
  what,
  ok: false,
  detail,
  todo,
  isBlocking: false,
});

export const blocking = (what: string, detail: string, todo: string): DoctorCheck => ({
  ...notFine(what, detail, todo),
  isBlocking: true,
});
