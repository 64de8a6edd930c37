import { expect, test } from "vitest";
import { labelAxis } from "../../src/lib/histogram";

test("an axis says each time once", () => {
  const inSeconds = (time: number) => `${Math.floor(time / 1000)} s`;
  expect(labelAxis(0, 400, inSeconds)).toEqual([{ share: 0, text: "0 s" }]);
  expect(labelAxis(500, 1000, inSeconds)).toEqual([{ share: 0, text: "0 s" }, { share: 0.5, text: "1 s" }]);
  expect(labelAxis(0, 4000, inSeconds).map(({ share }) => share)).toEqual([0, 0.25, 0.5, 0.75, 1]);
});
