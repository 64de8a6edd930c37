/** Payloads: JSON as it is stored, indented, foldable; long ones in part. */
import { useMemo, useState } from "react";
import { makeLines, type Line, spaceAfter, tokenize } from "../lib/json";
import { formatBytes, formatCount } from "../lib/text";
import { Copy, Visible } from "./basics";
import { Glyph } from "./icons";

export interface PayloadText {
  text: string;
  size: number;
  truncated: boolean;
}

const MAX_LINES = 400;

function readLines(text: string): Line[] | null {
  try {
    return makeLines(tokenize(text));
  } catch {
    return null;
  }
}

export function JsonText({ text }: { text: string }) {
  const lines = useMemo(() => readLines(text), [text]);
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const [most, setMost] = useState(MAX_LINES);
  if (!lines) return <pre className="text"><Visible text={text} /></pre>;
  const toggle = (place: number) => {
    const next = new Set(folded);
    if (!next.delete(place)) next.add(place);
    setFolded(next);
  };
  const shown: number[] = [];
  for (let place = 0; place < lines.length && shown.length < most; place++) {
    shown.push(place);
    const closes = lines[place]?.closes;
    if (closes !== undefined && folded.has(place)) place = closes;
  }
  const rest = lines.length - 1 - (shown.at(-1) ?? 0);
  return (
    <div className="code">
      {shown.map((place) => (
        <JsonLine key={place} line={lines[place] as Line} end={lines[lines[place]?.closes ?? -1]} isFolded={folded.has(place)} onToggle={() => toggle(place)} />
      ))}
      {shown.length >= most && rest > 0 && (
        <div className="more">
          <button type="button" className="button small" onClick={() => setMost(most * 5)}>Show more ({formatCount(rest)} lines left)</button>
        </div>
      )}
    </div>
  );
}

function JsonLine(props: { line: Line; end: Line | undefined; isFolded: boolean; onToggle: () => void }) {
  const { line, end, isFolded } = props;
  const canFold = line.closes !== undefined;
  return (
    <div className="json-line">
      {canFold ? (
        <button type="button" className="fold" aria-label={isFolded ? "Unfold" : "Fold"} aria-expanded={!isFolded} onClick={props.onToggle}>{isFolded ? "▸" : "▾"}</button>
      ) : (
        <span className="fold" />
      )}
      <span className="content" style={{ paddingLeft: `${Math.min(line.depth, 30) * 2}ch` }}>
        {line.tokens.map((token) => (
          <span key={token.start} className={`t-${token.kind}`}>
            {token.kind === "string" || token.kind === "key" ? <Visible text={token.text} /> : token.text}
            {spaceAfter(token)}
          </span>
        ))}
        {isFolded && canFold && (
          <>
            <button type="button" className="folded" onClick={props.onToggle}>{formatCount(line.members ?? 0)}</button>
            {end?.tokens.map((token) => <span key={token.start} className="t-punctuation">{token.text}</span>)}
          </>
        )}
      </span>
    </div>
  );
}

export function Payload(props: { label: string; payload: PayloadText | null; download?: string; tall?: boolean; none?: string }) {
  const { label, payload } = props;
  const inText = label.charAt(0).toLowerCase() + label.slice(1);
  if (!payload)
    return (
      <div className="payload">
        <div className="payload-head"><span className="label">{label}</span><span>{props.none ?? "none"}</span></div>
      </div>
    );
  return (
    <section className={props.tall ? "payload tall" : "payload"} aria-label={label}>
      <div className="payload-head">
        <span className="label">{label}</span>
        <span className="grow">{formatBytes(payload.size)}{payload.truncated && ", truncated"}</span>
        {!payload.truncated && <Copy text={payload.text} label={`Copy ${inText}`} />}
        {props.download && (
          <a className="button quiet icon small" href={props.download} download title="Download all of it" aria-label={`Download ${inText}`}><Glyph name="download" /></a>
        )}
      </div>
      <div className="scroll" tabIndex={0} role="group" aria-label={`${label} as JSON`}>
        {payload.truncated ? <pre className="text code"><Visible text={payload.text} />…</pre> : <JsonText text={payload.text} />}
      </div>
    </section>
  );
}

/** Metadata as pairs: the members of a JSON object, scalars without quotes. */
export function readPairs(text: string): [string, string][] {
  try {
    const tokens = tokenize(text);
    const pairs: [string, string][] = [];
    let depth = 0;
    for (let place = 0; place < tokens.length; place++) {
      const token = tokens[place];
      if (!token) break;
      if (token.text === "{" || token.text === "[") depth += token.kind === "punctuation" ? 1 : 0;
      else if (token.kind === "punctuation" && (token.text === "}" || token.text === "]")) depth--;
      else if (token.kind === "key" && depth === 1) {
        const value = tokens[place + 2];
        if (!value) break;
        const shown = value.kind === "string" ? (JSON.parse(value.text) as string) : value.kind === "punctuation" ? `${value.text}…` : value.text;
        pairs.push([JSON.parse(token.text) as string, shown]);
      }
    }
    return pairs;
  } catch {
    return [];
  }
}
