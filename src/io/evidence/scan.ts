import type { Evidence, TrackedJob } from '../../machines/facts.ts';
import { needsEvidence, type Policy } from '../../machines/verdict.ts';
import { type PageReader, type ReadPage, type ScanPoint, scanStart, type TrackedJobs } from '../jobs/trackedJobs.ts';
import type { Search } from './search.ts';

/**
 * Reads all tracked jobs page by page, each with the evidence that its verdict needs. Jobs that look hung are put aside,
 * save those that a worker is seen to run; when all others have been read, they are looked for together, in one walk through
 * every place, and come in pages of their own, with their facts as they are then. Where nothing looks hung, nothing is
 * looked for, and nothing costs more.
 */
export const scanWithEvidence = ({
  tracked,
  from,
  policy,
  createSearch,
}: {
  tracked: TrackedJobs;
  /** The beginning unless given. */
  from?: ScanPoint | undefined;
  policy: Policy;
  createSearch: () => Search;
}): PageReader => {
  const reader = tracked.open(from);
  /** A page that was read and is not handed out yet: an error in between must not lose it. */
  let page: ReadPage | undefined;
  let isRead = false;
  let search: Search | undefined;
  /** Ids of the jobs put aside, as bytes outside of V8's heap, a page each. */
  const aside: Buffer[] = [];
  let isFound = false;
  /** Where the page began of which the first job was put aside: who goes on after us has to find it again. */
  let asideFrom: ScanPoint | undefined;
  let ahead: Promise<readonly TrackedJob[]> | undefined;

  const putAside = async (jobs: readonly TrackedJob[]): Promise<readonly TrackedJob[]> => {
    const candidates = jobs.map(({ facts }) => facts).filter((facts) => needsEvidence(facts, policy));
    if (candidates.length === 0) return jobs;
    search ??= createSearch();
    const seen = await search.observed(candidates);
    const observed = new Map(candidates.map(({ id }, i) => [id, seen[i]]));
    const rest = candidates.filter(({ id }) => observed.get(id) === undefined);
    if (rest.length > 0) {
      search.add(rest);
      aside.push(Buffer.from(JSON.stringify(rest.map(({ id }) => id))));
    }
    return jobs.flatMap((job) => {
      if (!observed.has(job.facts.id)) return [job];
      const evidence = observed.get(job.facts.id);
      return evidence === undefined ? [] : [withEvidence(job, evidence)];
    });
  };

  const readFound = async (ids: Buffer, { evidenceOf }: Search): Promise<readonly TrackedJob[]> =>
    (await tracked.read(JSON.parse(ids.toString()))).map((job) =>
      needsEvidence(job.facts, policy) ? withEvidence(job, evidenceOf(job.facts)) : job,
    );

  /** The next page of those that were looked for; the one after it is read while this one is judged. */
  const nextFound = async (looked: Search): Promise<readonly TrackedJob[]> => {
    const [first, second] = aside as [Buffer, Buffer?];
    const jobs = ahead ?? readFound(first, looked);
    ahead = undefined;
    const result = await jobs;
    aside.shift();
    if (second !== undefined) {
      ahead = readFound(second, looked);
      ahead.catch(() => undefined); // Seen by whoever awaits it next.
    }
    return result;
  };

  return {
    async next() {
      if (search !== undefined && aside.length > 0 && (isRead || search.isFull || isFound)) {
        if (!isFound) await search.run();
        isFound = true;
        const jobs = await nextFound(search);
        if (aside.length === 0) {
          search = undefined;
          isFound = false;
        }
        return { jobs, isLast: isRead && aside.length === 0, from: asideFrom ?? scanStart };
      }
      page ??= await reader.next();
      const { jobs, isLast, from: began } = page;
      const rest = await putAside(jobs);
      page = undefined;
      isRead = isLast;
      if (aside.length === 0) asideFrom = undefined;
      else asideFrom ??= began;
      return { jobs: rest, isLast: isLast && aside.length === 0, from: asideFrom ?? began };
    },
  };
};

const withEvidence = (job: TrackedJob, evidence: Evidence): TrackedJob => ({
  ...job,
  facts: { ...job.facts, evidence },
});
