import { describe, expect, test } from "vitest";
import { snapSpan, stackBars } from "../../src/lib/histogram";
import { formatBytes, makeVisible, splitPieces } from "../../src/lib/text";
import { formatDuration, formatRelative, formatSeconds } from "../../src/lib/time";

describe("text that somebody else wrote", () => {
  test("shows escapes, controls, bidi marks and zero widths", () => {
    expect(makeVisible("\x1b[31mred\x07\u202egnp.exe\u200b\x7f\0")).toBe("⟨ESC⟩[31mred⟨BEL⟩⟨U+202E⟩gnp.exe⟨U+200B⟩⟨DEL⟩⟨NUL⟩");
    expect(splitPieces("a\u202e")[1]).toEqual({ text: "⟨U+202E⟩", title: "U+202E right-to-left override" });
  });

  test("leaves words of every script, tabs, newlines and emoji alone", () => {
    for (const text of ["héllo\twörld\n", "שלום عالم", "日本語", "👩‍🚀 👍🏽", "<script>alert(1)</script>"]) expect(makeVisible(text)).toBe(text);
  });

  test("shows lone surrogates and hidden tags", () => {
    expect(makeVisible("a\ud800b")).toBe("a⟨U+D800⟩b");
    expect(makeVisible("a\u{e0041}")).toBe("a⟨U+E0041⟩");
  });
});

test("durations", () => {
  expect([0.2, 12, 999, 1234, 12_340, 59_949, 61_000, 3_700_000, 90_000_000].map(formatDuration)).toEqual([
    "< 1 ms", "12 ms", "999 ms", "1.23 s", "12.3 s", "59.9 s", "1 min 01 s", "1 h 02 min", "1 d 1 h",
  ]);
  expect([0.25, 60, 5400, 90_061].map(formatSeconds)).toEqual(["0.25 s", "1 min", "1 h 30 min", "1 d 1 h"]);
});

test("relative times", () => {
  const now = 1e12;
  expect([now, now - 5000, now - 3.7e6, now + 120_000].map((time) => formatRelative(time, now))).toEqual(["now", "5 s ago", "1 h ago", "in 2 min"]);
  expect([12, 1500, 20_000, 3_400_000].map(formatBytes)).toEqual(["12 B", "1.5 kB", "20 kB", "3.4 MB"]);
});

test("bars are stacked to the highest, and a drag snaps to them", () => {
  const bars = [
    { start: "2026-11-24T15:00:00Z", counts: { failed: 1, completed: 3 } },
    { start: "2026-11-24T15:01:00Z", counts: {} },
    { start: "2026-11-24T15:02:00Z", counts: { queued: 2 } },
  ];
  const until = Date.parse("2026-11-24T15:03:00Z");
  const { stacks, most } = stackBars(bars, until);
  expect(most).toBe(4);
  expect(stacks[0]?.parts).toEqual([{ status: "failed", from: 0, to: 0.25, count: 1 }, { status: "completed", from: 0.25, to: 1, count: 3 }]);
  expect(snapSpan(stacks, 2, 1)).toEqual([Date.parse(bars[1]!.start), until]);
  expect(snapSpan(stacks, -4, 99)).toEqual([Date.parse(bars[0]!.start), until]);
});
