import { useEffect, useRef, useState } from 'preact/hooks';
import type { About, AnswerMessage, RescueAnswer, SweepAnswer } from '../protocol.ts';
import { count } from './format.ts';
import { useConnection } from './hooks.ts';

type Pass = 'sweep' | 'rescue';
type Stage =
  | { readonly at: 'asked' }
  | { readonly at: 'planning' }
  | { readonly at: 'planned'; readonly plan: AnswerMessage }
  | { readonly at: 'acting' }
  | { readonly at: 'done'; readonly result: AnswerMessage }
  | { readonly at: 'failed'; readonly error: string };

export const ControlButtons = ({ about, isOpen }: { about: About; isOpen: boolean }) => {
  const [pass, setPass] = useState<Pass>();
  return (
    <div class="buttons">
      <button type="button" disabled={!isOpen} onClick={() => setPass('sweep')}>
        {about.isPlanOnly ? 'Plan a sweep…' : 'Sweep now…'}
      </button>
      <button type="button" disabled={!isOpen} onClick={() => setPass('rescue')}>
        {about.isPlanOnly ? 'Plan a rescue…' : 'Rescue now…'}
      </button>
      {pass !== undefined && <PassDialog pass={pass} isPlanOnly={about.isPlanOnly} close={() => setPass(undefined)} />}
    </div>
  );
};

/** Makes a plan and shows it. Only then can the pass be started. */
const PassDialog = ({ pass, isPlanOnly, close }: { pass: Pass; isPlanOnly: boolean; close(): void }) => {
  const connection = useConnection();
  const dialog = useRef<HTMLDialogElement>(null);
  const leave = useRef<HTMLButtonElement>(null);
  const [stage, setStage] = useState<Stage>({ at: 'asked' });
  useEffect(() => dialog.current?.showModal(), []);
  const ask = async (plan: boolean) => {
    setStage({ at: plan ? 'planning' : 'acting' });
    try {
      const answer = await connection.ask({ type: pass, plan });
      setStage(plan ? { at: 'planned', plan: answer } : { at: 'done', result: answer });
    } catch (error) {
      setStage({ at: 'failed', error: (error as Error).message });
    }
  };
  const act = () => {
    leave.current?.focus(); // The focused button disappears.
    void ask(false);
  };
  const isBusy = stage.at === 'planning' || stage.at === 'acting';
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="pass-title">
      <h2 id="pass-title">{pass === 'sweep' ? 'Sweep: judge every tracked job' : 'Rescue: find dead pools'}</h2>
      <div role="status" aria-live="polite">
        {stage.at === 'asked' && (
          <p>
            {pass === 'sweep'
              ? 'A plan judges every tracked job and changes nothing. It shows what a sweep would do.'
              : 'A plan finds dead pools, after their grace period, and changes nothing. It shows what a rescue would do.'}
          </p>
        )}
        {stage.at === 'planning' && (
          <p>Planning…{pass === 'rescue' && ' Waiting for the end of the grace period of suspected pools.'}</p>
        )}
        {stage.at === 'planned' && <PassResult answer={stage.plan} />}
        {stage.at === 'acting' && <p>Running. You can close this dialog; the pass continues.</p>}
        {stage.at === 'done' && <PassResult answer={stage.result} />}
        {stage.at === 'failed' && <p class="bad">{stage.error}</p>}
      </div>
      <div class="buttons">
        {stage.at === 'planned' && !isPlanOnly && (
          <button type="button" class="primary danger" onClick={act}>
            {pass === 'sweep' ? 'Sweep now' : 'Rescue now'}
          </button>
        )}
        {/* The button keeps its place and the focus, so a double click makes two plans and changes nothing. */}
        {stage.at !== 'acting' && stage.at !== 'done' && (
          <button type="button" class="primary" aria-disabled={isBusy} onClick={() => isBusy || ask(true)}>
            {stage.at === 'planned' ? 'Plan again' : 'Plan'}
          </button>
        )}
        <button type="button" ref={leave} onClick={() => dialog.current?.close()}>
          {stage.at === 'acting' || stage.at === 'done' ? 'Close' : 'Cancel'}
        </button>
      </div>
    </dialog>
  );
};

const PassResult = ({ answer: { sweep, rescue } }: { answer: AnswerMessage }) => {
  if (sweep !== undefined) return <SweepResult summary={sweep} />;
  if (rescue !== undefined) return <RescueResult summary={rescue} />;
  return null;
};

const SweepResult = ({
  summary: { plan, scanned, screened = 0, verdicts, outcomes, suspended },
}: {
  summary: SweepAnswer;
}) => {
  const { keep = 0, refire = 0, ...others } = verdicts;
  const { 'already-pending': pending = 0, parked = 0, deferred = 0 } = outcomes;
  // Only a hook ends in these, and nothing is done then.
  const acts = { ...others, refire: refire - pending - parked - deferred };
  const left = { 'already-pending': pending, parked, deferred };
  const isNothing = Object.values(acts).every((value) => value === 0);
  return (
    <>
      <p>
        {count(scanned)} jobs judged, {count(keep)} need nothing{screened > 0 && ` (${count(screened)} screened)`}.{' '}
        {suspended !== undefined
          ? `The sweep was suspended: ${suspended.message}.`
          : isNothing
            ? 'There is nothing to do.'
            : plan
              ? 'A sweep would:'
              : 'Done:'}
      </p>
      <Counts counts={plan ? { ...acts, ...left } : outcomes} />
    </>
  );
};

const RescueResult = ({ summary }: { summary: RescueAnswer }) => {
  const { alive, suspects, pools, changes } = summary;
  return (
    <>
      <p>
        {count(alive)} pools alive, {count(suspects)} suspected. {rescueText(summary)}
      </p>
      {suspects > 0 && <Counts counts={pools} />}
      {changes.length > 0 && <Changes changes={changes} />}
    </>
  );
};

const rescueText = ({ plan, suspects, entries, orphaned, quarantined, changes, suspended }: RescueAnswer): string => {
  if (suspended !== undefined) return `No pool was judged: ${suspended.message}.`;
  if (suspects === 0 && changes.length === 0) return 'There is nothing to do.';
  const requeued = `${count(entries + orphaned)} entries`;
  const others = quarantined > 0 ? `, ${count(quarantined)} in quarantine` : '';
  return plan ? `A rescue would requeue ${requeued}${others}:` : `${requeued} requeued${others}:`;
};

const Changes = ({ changes }: Pick<RescueAnswer, 'changes'>) => (
  <ul class="counts">
    {changes.map(({ act, count: total, examples }) => (
      <li key={act}>
        <strong>{count(total)}</strong> {act}{' '}
        <span class="dim">
          {examples.join('; ')}
          {total > examples.length && '; …'}
        </span>
      </li>
    ))}
  </ul>
);

const Counts = ({ counts }: { counts: Readonly<Record<string, number | undefined>> }) => (
  <ul class="counts">
    {Object.entries(counts)
      .filter(([, value]) => value)
      .map(([name, value]) => (
        <li key={name}>
          <strong>{count(value ?? 0)}</strong> {name}
        </li>
      ))}
  </ul>
);
