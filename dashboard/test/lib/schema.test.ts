import { describe, expect, test } from "vitest";
import { getMember, parseJson, writeJson } from "../../src/lib/json";
import { findProblems, makeInitial, readSchema, setMember } from "../../src/lib/schema";

const SCHEMA = JSON.stringify({
  type: "object",
  $defs: { Speed: { type: "string", enum: ["slow", "fast"] }, Node: { type: "object", properties: { next: { anyOf: [{ $ref: "#/$defs/Node" }, { type: "null" }] } } } },
  properties: {
    name: { type: "string", title: "Name" },
    pages: { type: "integer", minimum: 1, maximum: 9 },
    rate: { type: "number", default: 0.5 },
    speed: { $ref: "#/$defs/Speed", default: "fast", description: "How fast" },
    tags: { type: "array", items: { type: "string" } },
    note: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
    either: { anyOf: [{ type: "string" }, { type: "integer" }] },
    node: { $ref: "#/$defs/Node" },
    kind: { const: "book" },
  },
  required: ["name", "pages"],
});

describe("a form from a JSON schema", () => {
  const field = readSchema(SCHEMA);
  const kindOf = (name: string) => field.kind === "object" && field.members.find((member) => member.name === name)?.field;

  test("finds the kind of each field", () => {
    expect(kindOf("name")).toMatchObject({ kind: "string", title: "Name" });
    expect(kindOf("pages")).toMatchObject({ kind: "integer", minimum: "1" });
    expect(kindOf("speed")).toMatchObject({ kind: "choice", description: "How fast" });
    expect(kindOf("tags")).toMatchObject({ kind: "array", item: { kind: "string" } });
    expect(kindOf("note")).toMatchObject({ kind: "optional", field: { kind: "string" } });
    expect(kindOf("either")).toMatchObject({ kind: "json" });
    expect(kindOf("node")).toMatchObject({ kind: "object" });
  });

  test("begins with the defaults", () => {
    expect(writeJson(makeInitial(field)!)).toBe('{"rate": 0.5, "speed": "fast", "tags": [], "note": null, "node": {"next": null}, "kind": "book"}');
  });

  test("keeps defaults above 2**53", () => {
    expect(writeJson(makeInitial(readSchema('{"type": "object", "properties": {"id": {"type": "integer", "default": 9007199254740993}}}'))!)).toBe('{"id": 9007199254740993}');
  });

  test("says what is missing or out of bounds, by path", () => {
    expect([...findProblems(field, parseJson('{"pages": 10}'))]).toEqual([["name", "A value is required"], ["pages", "Must be at most 9"]]);
    expect([...findProblems(field, parseJson('{"name": "x", "pages": 1.5}'))]).toEqual([["pages", "Must be an integer"]]);
  });

  test("sets and takes out members in place", () => {
    const value = parseJson('{"a": 1, "b": 2}');
    expect(writeJson(setMember(value, "a", { kind: "number", text: "3" }))).toBe('{"a": 3, "b": 2}');
    expect(writeJson(setMember(value, "a", undefined))).toBe('{"b": 2}');
    expect(getMember(setMember(undefined, "c", { kind: "literal", text: "true" }), "c")).toEqual({ kind: "literal", text: "true" });
  });

  test("takes any schema", () => {
    for (const schema of ["{}", "true", '{"type": "array", "items": {}}', '{"$ref": "#/$defs/Gone"}', '{"$ref": "#"}', '{"type": ["string", "null"]}']) {
      expect(readSchema(schema).kind).toBeTruthy();
    }
  });
});
