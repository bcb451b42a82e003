/** Harbor's default namespace, with the braces that it writes. */
export const namespace = '{harbor_job_service_namespace}';

/** A key of the namespace. */
export const key = (...parts: string[]): string => `${namespace}:${parts.join(':')}`;
