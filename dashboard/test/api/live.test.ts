import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { makeRefresher } from "../../src/api/live";

describe("asking again for what changed", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** A server that takes `duration` ms for an answer, and the times it was asked at. */
  function serve(duration: number) {
    const asked: number[] = [];
    const begun = performance.now();
    const refresh = makeRefresher(() => {
      asked.push(performance.now() - begun);
      return new Promise((resolve) => setTimeout(resolve, duration));
    });
    return { asked, refresh };
  }

  test("the first change is asked for at once", () => {
    const { asked, refresh } = serve(10);
    refresh("runs");
    expect(asked).toEqual([0]);
  });

  test("changes that come meanwhile cost one question together, and the last of them is never lost", async () => {
    const { asked, refresh } = serve(10);
    for (let change = 0; change < 50; change += 1) refresh("runs");
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toEqual([0, 110]);
  });

  test("a slow answer makes the pause longer, up to a second", async () => {
    const { asked, refresh } = serve(100);
    refresh("runs");
    refresh("runs");
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toEqual([0, 500]);
    const slow = serve(3000);
    slow.refresh("runs");
    slow.refresh("runs");
    await vi.advanceTimersByTimeAsync(9000);
    expect(slow.asked).toEqual([0, 4000]);
  });

  test("one key does not wait for another", () => {
    const { asked, refresh } = serve(1000);
    refresh("stats");
    refresh("run\n1");
    expect(asked).toHaveLength(2);
  });

  test("a question that fails does not end the asking", async () => {
    let asked = 0;
    const refresh = makeRefresher(() => {
      asked += 1;
      return Promise.reject(new Error("gone"));
    });
    refresh("runs");
    refresh("runs");
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toBe(2);
  });
});
