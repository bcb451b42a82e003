import { useEffect, useRef, useState } from 'preact/hooks';
import type { RescueSummary, SweepSummary } from '../../src/index.ts';
import type { About, AnswerMessage } from '../protocol.ts';
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

/** Plans first and shows what would be done; only then can it be done. */
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
    leave.current?.focus(); // The button that has it goes.
    void ask(false);
  };
  const isBusy = stage.at === 'planning' || stage.at === 'acting';
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="pass-title">
      <h2 id="pass-title">{pass === 'sweep' ? 'Sweep: judge every tracked job' : 'Rescue: look for dead pools'}</h2>
      <div role="status" aria-live="polite">
        {stage.at === 'asked' && (
          <p>
            {pass === 'sweep'
              ? 'A plan reads every tracked job and changes nothing. It shows what a sweep would do.'
              : 'A plan looks for pools that are not seen to live, waits out their grace period, and changes nothing.'}
          </p>
        )}
        {stage.at === 'planning' && (
          <p>Planning…{pass === 'rescue' && ' Suspected pools have their grace period to prove that they live.'}</p>
        )}
        {stage.at === 'planned' && <PassResult answer={stage.plan} />}
        {stage.at === 'acting' && <p>Under way. You may close this; it goes on.</p>}
        {stage.at === 'done' && <PassResult answer={stage.result} />}
        {stage.at === 'failed' && <p class="bad">{stage.error}</p>}
      </div>
      <div class="buttons">
        {stage.at === 'planned' && !isPlanOnly && (
          <button type="button" class="primary danger" onClick={act}>
            {pass === 'sweep' ? 'Sweep now' : 'Rescue now'}
          </button>
        )}
        {/* It stays where it is, and keeps the focus: who clicks twice plans twice, and does nothing. */}
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

const SweepResult = ({ summary: { plan, scanned, verdicts, outcomes, suspended } }: { summary: SweepSummary }) => {
  const { kept = 0, ...acts } = verdicts;
  const isNothing = Object.keys(acts).length === 0;
  return (
    <>
      <p>
        {count(scanned)} jobs judged, {count(kept)} need nothing.{' '}
        {suspended !== undefined
          ? `The sweep was suspended: ${suspended}.`
          : isNothing
            ? 'There is nothing to do.'
            : plan
              ? 'A sweep would:'
              : 'Done:'}
      </p>
      <Counts counts={plan ? acts : outcomes} />
    </>
  );
};

const RescueResult = ({
  summary: { plan, alive, suspects, pools, entries, orphaned, quarantined, changes, suspended },
}: {
  summary: RescueSummary;
}) => (
  <>
    <p>
      {count(alive)} pools alive, {count(suspects)} suspected.{' '}
      {suspended !== undefined
        ? `None was judged: ${suspended}.`
        : suspects === 0 && changes.length === 0
          ? 'There is nothing to do.'
          : `${plan ? 'A rescue would put back ' : ''}${count(entries + orphaned)} entries${plan ? '' : ' put back'}${quarantined > 0 ? `, ${count(quarantined)} in quarantine` : ''}:`}
    </p>
    {suspects > 0 && <Counts counts={pools} />}
    {changes.length > 0 && <Counts counts={Object.fromEntries(countByAct(changes))} />}
  </>
);

const countByAct = (changes: RescueSummary['changes']): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { act } of changes) counts.set(act, (counts.get(act) ?? 0) + 1);
  return counts;
};

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
