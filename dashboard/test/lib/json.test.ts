import { describe, expect, test } from "vitest";
import { formatJson, getMember, JsonError, makeLines, parseJson, tokenize, writeJson } from "../../src/lib/json";

describe("JSON as text", () => {
  test("keeps integers that a double cannot hold, and floats as they were written", () => {
    const text = '{"id": 9007199254740993, "big": -123456789012345678901234567890, "rate": 1.10, "tiny": 1E-400}';
    expect(writeJson(parseJson(text))).toBe(text);
    expect(formatJson(text)).toContain("9007199254740993");
  });

  test("keeps duplicate keys and reads the last of them", () => {
    const value = parseJson('{"a": 1, "a": 2}');
    expect(writeJson(value)).toBe('{"a": 1, "a": 2}');
    expect(getMember(value, "a")).toEqual({ kind: "number", text: "2" });
  });

  test("indents objects, and keeps short lists of scalars on one line", () => {
    expect(formatJson('{"a":[1,2,3],"b":{"c":null},"d":{},"e":[]}')).toBe(
      '{\n  "a": [1, 2, 3],\n  "b": {\n    "c": null\n  },\n  "d": {},\n  "e": []\n}',
    );
  });

  test("breaks long lists and counts the members of what folds", () => {
    const lines = makeLines(tokenize(JSON.stringify({ list: Array.from({ length: 50 }, (_, n) => `item ${n}`) })));
    expect(lines).toHaveLength(54);
    expect(lines[1]).toMatchObject({ closes: 52, members: 50 });
    expect(lines[0]).toMatchObject({ closes: 53, members: 1 });
  });

  test.each([
    ["", 1, 1, "the JSON is empty"],
    ["{", 1, 2, "not complete"],
    ['{"a" 1}', 1, 6, "colon"],
    ["[1,\n 2,\n]", 3, 1, "expected a value"],
    ["{a: 1}", 1, 2, "key in quotes"],
    ['"open', 1, 1, "does not end"],
    ["01", 1, 1, "not a JSON value"],
    ["1 2", 1, 3, "after the value"],
    ["[1}", 1, 3, 'expected "," or "]"'],
    ['{"a": tru}', 1, 7, "expected a value"],
    ["nullx", 1, 1, "not a JSON value"],
  ])("%j is refused at line %i, column %i", (text, line, column, message) => {
    let error: unknown;
    try {
      tokenize(text);
    } catch (failure) {
      error = failure;
    }
    expect(error).toBeInstanceOf(JsonError);
    expect(error).toMatchObject({ line, column });
    expect((error as Error).message).toContain(message);
  });

  test("takes any depth without recursion", () => {
    const deep = "[".repeat(50_000) + "]".repeat(50_000);
    expect(tokenize(deep)).toHaveLength(100_000);
    expect(parseJson(deep).kind).toBe("array");
  });

  test("escapes what it writes", () => {
    expect(writeJson({ kind: "string", value: 'a"\u202e\n' })).toBe('"a\\"\u202e\\n"');
  });
});
