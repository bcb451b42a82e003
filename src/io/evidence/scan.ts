import type { Evidence, TrackedJob } from '../../machines/facts.ts';
import type { SweepScope } from '../../machines/types/scope.ts';
import { needsEvidence, type Policy } from '../../machines/verdict.ts';
import type { PageReader, ReadPage } from '../jobs/pageReader.ts';
import type { Screen } from '../jobs/screen.ts';
import type { TrackedJobs } from '../jobs/trackedJobs.ts';
import { type ScanPoint, scanStart } from '../jobs/trackedScan.ts';
import type { Search } from './search.ts';

export interface ScanSettings {
  readonly tracked: TrackedJobs;
  /** Where to begin; the start if left out. */
  readonly from?: ScanPoint | undefined;
  /** What the sweep is about; all tracked jobs if left out. */
  readonly scope?: SweepScope | undefined;
  /** Passes over jobs that are plainly ongoing; none if left out. A sweep with a scope looks at each of its jobs. */
  readonly screen?: Screen | undefined;
  readonly policy: Policy;
  readonly createSearch: () => Search;
}

/**
 * Reads all tracked jobs page by page, each with the evidence that its verdict needs. Jobs that look hung, and that no worker is
 * observed to run, become candidates. After all other jobs, one walk through every place looks for the entries of all candidates.
 * They follow in pages of their own, with their facts as of then. Without candidates there is no walk.
 */
export const scanWithEvidence = (settings: ScanSettings): PageReader => new EvidenceScan(settings);

class EvidenceScan implements PageReader {
  readonly #settings: ScanSettings;
  readonly #reader: PageReader;
  /** A page that was read but not returned yet, so an error in between does not lose it. */
  #page: ReadPage | undefined;
  #isRead = false;
  #search: Search | undefined;
  /** The ids of the candidates, page by page, as bytes outside V8's heap. */
  readonly #candidates: Buffer[] = [];
  #isFound = false;
  /** Where the page of the first candidate began: the next leader has to resume there. */
  #candidatesFrom: ScanPoint | undefined;
  #ahead: Promise<readonly TrackedJob[]> | undefined;

  constructor(settings: ScanSettings) {
    this.#settings = settings;
    this.#reader = readerOf(settings);
  }

  async next(signal?: AbortSignal): Promise<ReadPage> {
    const search = this.#search;
    if (search !== undefined && this.#candidates.length > 0 && (this.#isRead || search.isFull || this.#isFound)) {
      return this.#nextCandidates(search, signal);
    }
    this.#page ??= await this.#reader.next();
    const { jobs, screened, isLast, from, notFound } = this.#page;
    const rest = await this.#addCandidates(jobs);
    this.#page = undefined;
    this.#isRead = isLast;
    if (this.#candidates.length === 0) this.#candidatesFrom = undefined;
    else this.#candidatesFrom ??= from;
    return {
      jobs: rest,
      screened,
      isLast: isLast && this.#candidates.length === 0,
      from: this.#candidatesFrom ?? from,
      notFound,
    };
  }

  async #nextCandidates(search: Search, signal: AbortSignal | undefined): Promise<ReadPage> {
    if (!this.#isFound) await search.run(signal);
    this.#isFound = true;
    const jobs = await this.#nextFound(search);
    if (this.#candidates.length === 0) {
      this.#search = undefined;
      this.#isFound = false;
    }
    return { jobs, isLast: this.#isRead && this.#candidates.length === 0, from: this.#candidatesFrom ?? scanStart };
  }

  async #addCandidates(jobs: readonly TrackedJob[]): Promise<readonly TrackedJob[]> {
    const { policy, createSearch } = this.#settings;
    const candidates = jobs.filter(({ facts }) => needsEvidence(facts, policy));
    if (candidates.length === 0) return jobs;
    this.#search ??= createSearch();
    const seen = await this.#search.observed(candidates.map(({ facts }) => facts));
    // By job: an id that is not UTF-8 reads as another one.
    const observed = new Map(candidates.map((job, i) => [job, seen[i]]));
    const rest = candidates.filter((job) => observed.get(job) === undefined).map(({ facts }) => facts);
    if (rest.length > 0) {
      this.#search.add(rest);
      this.#candidates.push(Buffer.from(JSON.stringify(rest.map(({ id }) => id))));
    }
    return jobs.flatMap((job) => {
      if (!observed.has(job)) return [job];
      const evidence = observed.get(job);
      return evidence === undefined ? [] : [withEvidence(job, evidence)];
    });
  }

  /** The next page of candidates. The page after it is read while this one is judged. */
  async #nextFound(search: Search): Promise<readonly TrackedJob[]> {
    const [first, second] = this.#candidates as [Buffer, Buffer?];
    const jobs = this.#ahead ?? this.#readFound(first, search);
    this.#ahead = undefined;
    const result = await jobs;
    this.#candidates.shift();
    if (second !== undefined) {
      this.#ahead = this.#readFound(second, search);
      this.#ahead.catch(() => undefined); // The next `await` handles it.
    }
    return result;
  }

  async #readFound(ids: Buffer, { evidenceOf }: Search): Promise<readonly TrackedJob[]> {
    const { tracked, policy } = this.#settings;
    return (await tracked.read(JSON.parse(ids.toString()))).map((job) =>
      needsEvidence(job.facts, policy) ? withEvidence(job, evidenceOf(job.facts)) : job,
    );
  }
}

/** A scan of all tracked jobs, or of the chosen ones; without the jobs of other types. */
const readerOf = ({ tracked, from, scope, screen }: ScanSettings): PageReader => {
  if (scope === undefined) return tracked.open(from, screen);
  const { ids, acts, types } = scope;
  const chosen = acts === undefined ? ids : [...acts.keys()];
  const reader = chosen === undefined ? tracked.open(from) : tracked.openChosen(chosen);
  if (types === undefined) return reader;
  return {
    async next() {
      const page = await reader.next();
      return { ...page, jobs: page.jobs.filter(({ facts }) => types.includes(facts.name ?? '')) };
    },
  };
};

const withEvidence = (job: TrackedJob, evidence: Evidence): TrackedJob => ({
  ...job,
  facts: { ...job.facts, evidence },
});
