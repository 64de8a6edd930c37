import { describe, expect, test } from "vitest";
import { parseSearch, setWords, splitWords, toggleWord } from "../../src/lib/tokens";

const NOW = Date.parse("2026-11-24T15:00:03Z");

describe("the search", () => {
  test("reads statuses, workflows and metadata", () => {
    expect(parseSearch("status:failed workflow:etl meta.user:42", NOW)).toEqual({
      filter: { statuses: ["FAILED"], workflows: ["etl"], metadata: [["user", "42"]], since: null, until: null },
      id: null,
      problems: [],
    });
  });

  test("joins several values of one key", () => {
    const { filter } = parseSearch("status:failed,queued status:FAILED workflow:a b", NOW);
    expect(filter.statuses).toEqual(["FAILED", "QUEUED"]);
    expect(filter.workflows).toEqual(["a", "b"]);
  });

  test("takes quotes, and colons in values", () => {
    const { filter } = parseSearch('workflow:"my flow" "meta.a b":"c:\\"d\\"" meta.url:http://x/y', NOW);
    expect(filter.workflows).toEqual(["my flow"]);
    expect(filter.metadata).toEqual([["a b", 'c:"d"'], ["url", "http://x/y"]]);
  });

  test("counts back from now in steps, so that a query stays one query", () => {
    expect(parseSearch("since:24h", NOW).filter.since).toBe("2026-11-23T15:00:00.000Z");
    expect(parseSearch("since:24h", NOW + 4000).filter.since).toBe("2026-11-23T15:00:00.000Z");
    expect(parseSearch("until:2026-11-24T10:00:00Z", NOW).filter.until).toBe("2026-11-24T10:00:00.000Z");
  });

  test.each(["status:done", "since:yesterday", "colour:red", "workflow:", "since:99999999999999d", "meta.:1"])("says what is wrong with %s", (text) => {
    const { problems, filter } = parseSearch(text, NOW);
    expect(problems).toHaveLength(1);
    expect(filter.workflows).toEqual([]);
  });

  test("finds a run's id", () => {
    expect(parseSearch("01A20E56-d65b-7d8d-9d70-fd127f48decb", NOW).id).toBe("01a20e56-d65b-7d8d-9d70-fd127f48decb");
  });

  test("toggles a word and leaves the others as they were typed", () => {
    const once = toggleWord('workflow:"my flow"', "status", "failed");
    expect(once).toBe('workflow:"my flow" status:failed');
    expect(toggleWord(once, "status", "failed")).toBe('workflow:"my flow"');
    expect(toggleWord("", "meta.a b", 'c "d"')).toBe('"meta.a b":"c \\"d\\""');
  });

  test("what toggleWord writes is read again", () => {
    for (const value of ["x", "a b", 'q"q', "back\\slash", "c:d", "ü"]) {
      expect(parseSearch(toggleWord("", "meta.key", value), NOW).filter.metadata).toEqual([["key", value]]);
    }
  });

  test("replaces all words of a key", () => {
    expect(setWords("since:1h a since:2h", "since", ["2026-11-24T10:00:00Z"])).toBe("a since:2026-11-24T10:00:00Z");
    expect(setWords("since:1h a", "since", [])).toBe("a");
  });

  test("ends for any text", () => {
    for (const text of [":", '"', '""', ":::", 'a:"', "a::b", " : "]) expect(splitWords(text).length).toBeGreaterThanOrEqual(0);
  });
});
