/** One thing that `doctor` looked at. */
export interface DoctorCheck {
  /** Which: `version`, `role`, `cluster`, `database`, `rights`, `namespace`, `keys`, `eviction` or `clock`. */
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do; undefined where it is fine. */
  readonly todo: string | undefined;
  /** The reaper can not work as long as this is so: `run` does not start. */
  readonly isBlocking: boolean;
}

export interface DoctorReport {
  /** Every check is fine. */
  readonly ok: boolean;
  readonly namespace: string;
  /** Where Redis is, without user and password. */
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
