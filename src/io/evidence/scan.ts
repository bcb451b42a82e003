import type { Evidence, TrackedJob } from '../../machines/facts.ts';
import { needsEvidence, type Policy } from '../../machines/verdict.ts';
import { type PageReader, type ReadPage, type ScanPoint, scanStart } from '../jobs/pageReader.ts';
import type { TrackedJobs } from '../jobs/trackedJobs.ts';
import type { Search } from './search.ts';

/**
 * Reads all tracked jobs page by page, each with the evidence that its verdict needs. Jobs that look hung, and that no worker is
 * observed to run, become candidates. After all other jobs, one walk through every place looks for the entries of all candidates.
 * They follow in pages of their own, with their facts as of then. Without candidates there is no walk.
 */
export const scanWithEvidence = ({
  tracked,
  from,
  policy,
  createSearch,
}: {
  tracked: TrackedJobs;
  /** Where to begin; the start if left out. */
  from?: ScanPoint | undefined;
  policy: Policy;
  createSearch: () => Search;
}): PageReader => {
  const reader = tracked.open(from);
  /** A page that was read but not returned yet, so an error in between does not lose it. */
  let page: ReadPage | undefined;
  let isRead = false;
  let search: Search | undefined;
  /** The ids of the candidates, page by page, as bytes outside V8's heap. */
  const aside: Buffer[] = [];
  let isFound = false;
  /** Where the page of the first candidate began: the next leader has to resume there. */
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

  /** The next page of candidates. The page after it is read while this one is judged. */
  const nextFound = async (looked: Search): Promise<readonly TrackedJob[]> => {
    const [first, second] = aside as [Buffer, Buffer?];
    const jobs = ahead ?? readFound(first, looked);
    ahead = undefined;
    const result = await jobs;
    aside.shift();
    if (second !== undefined) {
      ahead = readFound(second, looked);
      ahead.catch(() => undefined); // The next `await` handles it.
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
