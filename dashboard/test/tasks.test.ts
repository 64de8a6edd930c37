import { describe, expect, test } from "vitest";
import { findLast } from "../src/lib/tasks";

function task(name: string, parents: number[] = [], output_size: number | null = 2, kind = "task") {
  return { name, parents, output_size, kind };
}

const namesOf = (tasks: ReturnType<typeof task>[]) => findLast(tasks).map((one) => one.name);

describe("the result of a run", () => {
  test("is what the tasks gave that nothing follows", () => {
    expect(namesOf([task("a"), task("b", [0]), task("c", [0]), task("d", [1])])).toEqual(["c", "d"]);
  });

  test("is not what a hook gave, and a hook follows nothing", () => {
    expect(namesOf([task("a"), task("tell", [0], 2, "on_success")])).toEqual(["a"]);
  });

  test("leaves out a branch that was skipped", () => {
    expect(namesOf([task("a"), task("cheap", [0], null), task("dear", [0])])).toEqual(["dear"]);
    expect(namesOf([task("a"), task("b", [0], null)])).toEqual(["b"]);
  });
});
