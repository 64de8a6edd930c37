/**
 * The search of the Runs page: `status:failed workflow:etl meta.user:42 since:24h`. It is kept in the address as it was
 * typed. Several values of one key mean "any of them"; different keys must all hold.
 */

export interface RunFilter {
  statuses: string[];
  workflows: string[];
  metadata: [string, string][];
  since: string | null;
  until: string | null;
}

export interface ParsedSearch {
  filter: RunFilter;
  /** A run's id, typed alone. */
  id: string | null;
  problems: string[];
}

export const RUN_STATUSES = ["QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"] as const;

interface Word {
  key: string | null;
  value: string;
  text: string;
}

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const AGO = /^(\d+)(s|min|m|h|d|w)$/;
const UNIT_MS: Record<string, number> = { s: 1e3, m: 6e4, min: 6e4, h: 36e5, d: 864e5, w: 6048e5 };

/** Words are separated by spaces; quotes keep spaces and colons: `workflow:"my flow"`, `"meta.a b":"c d"`. */
export function splitWords(search: string): Word[] {
  const words: Word[] = [];
  const pattern = /(?:"((?:[^"\\]|\\.)*)"|([^\s":]+))?(?:(:)(?:"((?:[^"\\]|\\.)*)"|([^\s]*)))?/y;
  let at = 0;
  while (at < search.length) {
    if (/\s/.test(search[at] as string)) {
      at++;
      continue;
    }
    pattern.lastIndex = at;
    const match = pattern.exec(search);
    if (!match?.[0]) {
      at++;
      continue;
    }
    at += match[0].length;
    const left = match[1] !== undefined ? unquote(match[1]) : (match[2] ?? "");
    const right = match[4] !== undefined ? unquote(match[4]) : match[5];
    words.push(match[3] ? { key: left, value: right ?? "", text: match[0] } : { key: null, value: left, text: match[0] });
  }
  return words;
}

export function parseSearch(search: string, now: number): ParsedSearch {
  const filter: RunFilter = { statuses: [], workflows: [], metadata: [], since: null, until: null };
  const problems: string[] = [];
  let id: string | null = null;
  for (const word of splitWords(search)) {
    const key = word.key?.toLowerCase();
    if (word.key === null) {
      if (UUID.test(word.value)) id = word.value.toLowerCase();
      else filter.workflows.push(word.value);
    } else if (word.value === "") {
      problems.push(`“${word.key}:” needs a value`);
    } else if (key === "status") {
      for (const one of word.value.split(",").filter(Boolean)) {
        const status = one.toUpperCase();
        if ((RUN_STATUSES as readonly string[]).includes(status)) filter.statuses.push(status);
        else problems.push(`“${one}” is not a status. Use ${RUN_STATUSES.join(", ").toLowerCase()}`);
      }
    } else if (key === "workflow") {
      filter.workflows.push(word.value);
    } else if (key?.startsWith("meta.") && key.length > 5) {
      filter.metadata.push([(word.key as string).slice(5), word.value]);
    } else if (key === "since" || key === "until") {
      const time = parseMoment(word.value, now);
      if (time) filter[key] = time;
      else problems.push(`“${word.value}” is not a time. Use 30min, 24h, 7d or 2026-11-24T15:00Z`);
    } else {
      problems.push(`“${word.key}:” is not known. Use status, workflow, meta.KEY, since or until`);
    }
  }
  filter.statuses = [...new Set(filter.statuses)];
  filter.workflows = [...new Set(filter.workflows)];
  return { filter, id, problems };
}

/** An ISO time, or a time ago such as `24h`. A time ago is rounded to 10 s, so that the same search stays one query. */
function parseMoment(text: string, now: number): string | null {
  const ago = AGO.exec(text);
  if (ago) {
    const time = now - Number(ago[1]) * (UNIT_MS[ago[2] as string] as number);
    const whole = new Date(Math.floor(time / 10_000) * 10_000);
    return Number.isNaN(whole.getTime()) ? null : whole.toISOString();
  }
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return null;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : new Date(time).toISOString();
}

function quoteWord(text: string): string {
  return /^[^\s":\\]+$/.test(text) ? text : `"${text.replace(/(["\\])/g, "\\$1")}"`;
}

function unquote(text: string): string {
  return text.replace(/\\(.)/g, "$1");
}

/** The search with the words of `key` replaced by one for each of `values`. */
export function setWords(search: string, key: string, values: string[]): string {
  const kept = splitWords(search)
    .filter((word) => word.key?.toLowerCase() !== key)
    .map((word) => word.text);
  const added = values.map((value) => `${quoteWord(key)}:${/^[\w.:+-]+$/.test(value) ? value : quoteWord(value)}`);
  return [...kept, ...added].join(" ");
}

/** The search with `key:value` added, or taken away where it is there. */
export function toggleWord(search: string, key: string, value: string): string {
  const words = splitWords(search);
  const isIt = (word: Word) => word.key === key && word.value === value;
  if (words.some(isIt)) return words.filter((word) => !isIt(word)).map((word) => word.text).join(" ");
  return [...words.map((word) => word.text), `${quoteWord(key)}:${quoteWord(value)}`].join(" ");
}
