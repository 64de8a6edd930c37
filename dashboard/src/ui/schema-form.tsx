/** The fields of a JSON schema, over a value whose numbers stay text. */
import { type ReactNode, useId, useState } from "react";
import { formatJson, getMember, type Json, JsonError, NULL, parseJson, writeJson } from "../lib/json";
import { type Field, isNumber, makeInitial, setMember } from "../lib/schema";
import { Visible } from "./basics";

interface Props {
  field: Field;
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
  problems: ReadonlyMap<string, string>;
  path: string;
  id: string;
}

export function SchemaForm({ field, value, onChange, problems }: Pick<Props, "field" | "value" | "onChange" | "problems">) {
  const id = useId();
  if (field.kind === "object")
    return (
      <div className="stack">
        <Members field={field} value={value} onChange={onChange} problems={problems} path="" id={id} />
        {field.members.length === 0 && !field.hasMore && <p className="muted">This workflow takes no input.</p>}
        {field.hasMore && <p className="muted">Other keys are allowed: add them in the JSON tab.</p>}
      </div>
    );
  return <Control field={field} value={value} onChange={onChange} problems={problems} path="" id={id} />;
}

function Members(props: Props & { field: Field & { kind: "object" } }) {
  const { field, value, onChange, problems, path, id } = props;
  return (
    <>
      {field.members.map(({ name, isRequired, field: member }) => {
        const at = path ? `${path}.${name}` : name;
        return (
          <Labelled
            key={name} name={name} field={member} isRequired={isRequired} id={`${id}-${at}`} problem={problems.get(at)}
          >
            <Control
              field={member} value={getMember(value, name)} path={at} problems={problems} id={`${id}-${at}`}
              onChange={(next) => onChange(setMember(value, name, next))}
            />
          </Labelled>
        );
      })}
    </>
  );
}

const TYPES: Record<Field["kind"], string> = {
  object: "object", array: "list", string: "text", integer: "integer", number: "number", boolean: "yes or no", choice: "choice", optional: "", json: "JSON",
};

function typeOf(field: Field): string {
  if (field.kind === "optional") return `${typeOf(field.field)}, optional`;
  if (field.kind === "string" && field.format) return field.format;
  if (field.kind === "array") return `list of ${typeOf(field.item)}`;
  return TYPES[field.kind];
}

function Labelled(props: { name: string; field: Field; isRequired: boolean; id: string; problem?: string; children: ReactNode }) {
  const { field, id } = props;
  const isGroup = field.kind === "object" || field.kind === "array" || field.kind === "optional";
  const label = (
    <>
      <Visible text={props.name} /> <span className="type">{typeOf(field)}</span>{" "}
      {props.isRequired && <span className="required">required</span>}
    </>
  );
  return (
    <div className="field" role={isGroup ? "group" : undefined} aria-labelledby={isGroup ? `${id}-label` : undefined}>
      {isGroup ? <span className="label" id={`${id}-label`}>{label}</span> : <label htmlFor={id} id={`${id}-label`}>{label}</label>}
      {field.description && <span className="hint"><Visible text={field.description} /></span>}
      {props.children}
      {props.problem && <span className="problem" id={`${id}-problem`}>{props.problem}</span>}
    </div>
  );
}

function Control(props: Props) {
  const { field, value, onChange, problems, path, id } = props;
  const problem = problems.get(path);
  const about = { id, "aria-invalid": problem ? true : undefined, "aria-describedby": problem ? `${id}-problem` : undefined, "aria-labelledby": `${id}-label` };
  switch (field.kind) {
    case "object":
      return <div className="fieldset"><Members {...props} field={field} /></div>;
    case "array":
      return <Items {...props} field={field} />;
    case "optional": {
      const isSet = value !== undefined && !(value.kind === "literal" && value.text === "null");
      return (
        <>
          <label className="check">
            <input type="checkbox" checked={isSet} onChange={(event) => onChange(event.target.checked ? (makeInitial(field.field) ?? emptyOf(field.field)) : NULL)} />
            Set a value <span className="faint">{isSet ? "" : "(now null)"}</span>
          </label>
          {isSet && <Control {...props} field={field.field} />}
        </>
      );
    }
    case "boolean":
      return (
        <span className="check">
          <input type="checkbox" {...about} checked={value?.kind === "literal" && value.text === "true"} onChange={(event) => onChange({ kind: "literal", text: String(event.target.checked) })} />
          <span className="faint" aria-hidden="true">{value?.kind === "literal" && value.text === "true" ? "true" : "false"}</span>
        </span>
      );
    case "choice": {
      const texts = field.options.map(writeJson);
      const place = value ? texts.indexOf(writeJson(value)) : -1;
      return (
        <select className="select" {...about} value={place} onChange={(event) => onChange(field.options[Number(event.target.value)])}>
          {place < 0 && <option value={-1}>–</option>}
          {field.options.map((option, index) => <option key={texts[index]} value={index}>{option.kind === "string" ? option.value : texts[index]}</option>)}
        </select>
      );
    }
    case "integer":
    case "number":
      return (
        <input
          className="input mono" inputMode={field.kind === "integer" ? "numeric" : "decimal"} {...about}
          value={value?.kind === "number" ? value.text : value?.kind === "string" ? value.value : ""}
          onChange={(event) => {
            const text = event.target.value.trim();
            if (text === "") onChange(undefined);
            else onChange(isNumber(text, field.kind as "integer") ? { kind: "number", text } : { kind: "string", value: text });
          }}
        />
      );
    case "string": {
      const text = value?.kind === "string" ? value.value : "";
      const onText = (next: string) => onChange({ kind: "string", value: next });
      const isLong = (field.format === null && (text.includes("\n") || text.length > 70)) || (field.maxLength ?? 0) > 400;
      return isLong ? (
        <textarea className="textarea" rows={4} {...about} value={text} onChange={(event) => onText(event.target.value)} />
      ) : (
        <input className="input" {...about} placeholder={PLACEHOLDERS[field.format ?? ""]} value={text} onChange={(event) => onText(event.target.value)} />
      );
    }
    case "json":
      return <JsonField value={value} onChange={onChange} about={about} />;
  }
}

const PLACEHOLDERS: Record<string, string> = {
  date: "2026-11-24", "date-time": "2026-11-24T15:00:00Z", time: "15:00:00", duration: "PT5M", uri: "https://…", uuid: "0198c0de-7abc-7def-8123-456789abcdef", email: "name@example.org",
};

function emptyOf(field: Field): Json | undefined {
  if (field.kind === "string") return { kind: "string", value: "" };
  if (field.kind === "integer" || field.kind === "number") return { kind: "number", text: "0" };
  return { kind: "object", entries: [] };
}

function Items(props: Props & { field: Field & { kind: "array" } }) {
  const { field, value, onChange, path, id } = props;
  const items = value?.kind === "array" ? value.items : [];
  const set = (next: Json[]) => onChange({ kind: "array", items: next });
  return (
    <div className="fieldset">
      {items.map((item, place) => (
        <div key={place} className="row" style={{ alignItems: "flex-start" }}>
          <div className="grow">
            <span className="sr-only" id={`${id}-${place}-label`}>Item {place + 1}</span>
            <Control
              {...props} field={field.item} value={item} path={`${path}.${place}`} id={`${id}-${place}`}
              onChange={(next) => set(items.map((old, index) => (index === place ? (next ?? NULL) : old)))}
            />
          </div>
          <button type="button" className="button quiet small" aria-label={`Remove item ${place + 1}`} onClick={() => set(items.filter((_, index) => index !== place))}>Remove</button>
        </div>
      ))}
      <div><button type="button" className="button small" onClick={() => set([...items, makeInitial(field.item) ?? emptyOf(field.item) ?? NULL])}>Add an item</button></div>
    </div>
  );
}

function JsonField({ value, onChange, about }: { value: Json | undefined; onChange: (value: Json | undefined) => void; about: object }) {
  const [text, setText] = useState(() => (value ? formatJson(writeJson(value)) : ""));
  const [error, setError] = useState<string | null>(null);
  return (
    <>
      <textarea
        className="textarea code" rows={Math.min(10, Math.max(2, text.split("\n").length))} spellCheck={false} {...about} value={text}
        onChange={(event) => {
          setText(event.target.value);
          try {
            onChange(event.target.value.trim() === "" ? undefined : parseJson(event.target.value));
            setError(null);
          } catch (failure) {
            setError(failure instanceof JsonError ? failure.message : String(failure));
          }
        }}
      />
      {error && <span className="problem">{error}</span>}
    </>
  );
}
