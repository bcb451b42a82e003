export type { AuditAdmin, AuditFilter } from './admin/audit.ts';
export type { AuditEntry, AuditedAct, AuditedFacts } from './admin/auditEntries.ts';
export type { EndpointStatus, HookRecord } from './admin/hookRecords.ts';
export type { HookFilter, HookMove, HooksAdmin } from './admin/hooks.ts';
export type { QuarantineAdmin, QuarantineCounts, QuarantineFilter, QuarantineMove } from './admin/quarantine.ts';
export type { QuarantinedJob, QuarantineRecord, Recovery } from './admin/quarantineRecords.ts';
export type { UndoOutcome } from './admin/undo.ts';
export type { DoctorOptions } from './doctor/doctor.ts';
export type { DoctorCheck, DoctorReport } from './doctor/report.ts';
export {
  BackgroundError,
  type ErrorCode,
  type OptionIssue,
  OptionsError,
  PassError,
  ReaperError,
  StoppedError,
} from './errors.ts';
export type { Clock } from './io/clock.ts';
export type { Breaker } from './io/hooks/claims.ts';
export type { HookOutcome } from './io/hooks/results.ts';
export type { Logger } from './io/log.ts';
export type { RedisSource } from './io/redis/connection.ts';
export { UnusableRedisError } from './io/redis/errors.ts';
export type { RedisClient } from './io/redis/redisClient.ts';
export type { Moved } from './io/redis/replies/undo.ts';
export type { StatusReply, TrackedAttempt } from './lifecycle/attempt.ts';
export type { Lifecycle, NewJob } from './lifecycle/lifecycle.ts';
export type { Ack, Facts, Status } from './machines/facts.ts';
export type { SuspensionReason } from './machines/refusal.ts';
export type {
  AppliedActs,
  LeftAct,
  PlannedChange,
  PlannedCounters,
  PlannedEntry,
  PlannedLiveAct,
  PlannedRescue,
  PoisonEntry,
  PoolTraces,
  RescueChange,
} from './machines/types/changes.ts';
export type { JobEnd, JobOutcome } from './machines/types/job.ts';
export type { PoolEnd, PoolOutcome } from './machines/types/pool.ts';
export type { RescueProgress } from './machines/types/progress.ts';
export type { Drift, FinishedEntry, OrphanedEntry } from './machines/types/rescue.ts';
export type { ActingVerdict, PlannedAct } from './machines/types/scope.ts';
export type { Policy, Reason, Verdict } from './machines/verdict.ts';
export type { Duration } from './options/duration.ts';
export type { ReaperOptions } from './options/generated.ts';
export type { ReloadableOptions } from './options/reloadable.ts';
export { version } from './package.ts';
export type { Blocker } from './queries/blockers.ts';
export type { Elsewhere } from './queries/elsewhere.ts';
export type { AskedRule, ExplainedHook, Explanation } from './queries/explain.ts';
export type { Place } from './queries/place.ts';
export type { PoolStatus } from './queries/poolStatus.ts';
export type { Problem, ProblemCode } from './queries/problem.ts';
export type { QueueStatus } from './queries/queues.ts';
export type { LeaderStatus } from './queries/state.ts';
export type { ReaperStatus } from './queries/status.ts';
export { createReaper } from './reaper/create.ts';
export type {
  ConnectionChange,
  EventName,
  LeaderChange,
  Listener,
  OrphanOutcome,
  ReaperEvents,
  ScreenedJobs,
  Suspension,
} from './reaper/events.ts';
export type { Health } from './reaper/health.ts';
export type { HookCounts } from './reaper/hookCounts.ts';
export type { Reaper, RescueOptions, SweepOptions } from './reaper/reaper.ts';
export type { RescueSummary, SweepSummary } from './reaper/summaries.ts';
