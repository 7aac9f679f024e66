"""One problem per language, of the shape that HumanEval-X has, with loops, conditions, locals and worked examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.data import Provenance
from benchmarks.humaneval import HumanEval
from benchmarks.humaneval_x import HumanEvalX
from benchmarks.perturbations.gate import AnyBenchmark
from benchmarks.problem import Problem
from runners.program import Program

_TEXT = (
    "Given a list of prices and a limit, count how many prices are not greater than the limit.",
    "Don't count a price that is zero. Skip the color of the two labels. Return the count of the remaining ones.",
)
_TEXT_ZH = (
    "给定一个价格列表和一个上限，返回不大于上限的价格的数量。",
    "如果价格等于零，就不计算这个元素。请检查每个整数。",
)
_PYTHON_BODY = """    total = 0
    seen = []
    label = 'all' if limit > 9 else 'some'
    if limit < 0 and prices:
        total += 0
    for index in range(len(prices)):
        price = prices[index]
        if price <= limit and price != 0:
            total += 1
        else:
            seen.append(price)
    if total < len(prices):
        label = 'none'
    return total
"""


def python_problem(text: Sequence[str] = _TEXT) -> Problem:
    """A function to complete, with a doctest."""
    return _problem(
        f'''from typing import List


def count_cheap(prices: List[int], limit: int) -> int:
    """{text[0]}
    {text[1]}
    >>> count_cheap([1, 5, 0, 3], 3)
    2
    >>> count_cheap([], 2)
    0
    """
''',
        _PYTHON_BODY,
        "count_cheap",
        (
            "def check(candidate):\n    assert candidate([1, 5, 0, 3], 3) == 2\n    assert candidate([], 2) == 0\n"
            "    assert candidate([4, 4], 4) == 2\n\ncheck(count_cheap)"
        ),
        wrong=("    return 0\n", "    return len(prices)\n"),
    )


def _problem(prompt: str, reference: str, name: str, test: str, **fields: Any) -> Problem:
    fence = "```"
    return Problem(
        task_id="own/0",
        prompt=prompt,
        instruction=f"Complete the function.\n\n{fence}\n{prompt.strip()}\n{fence}\n",
        tests=(test,),
        entry_point=name,
        reference=reference,
        **fields,
    )


_C_TEXT = f"{_TEXT[0]}\n{_TEXT[1]}"
_CPP = _problem(
    f"""/*
{_C_TEXT}
>>> countCheap({{1, 5, 0, 3}}, 3)
2
*/
#include<stdio.h>
#include<vector>
using namespace std;
int countCheap(vector<int> prices, int limit){{
""",
    """    int total = 0;
    int skipped = 0;
    for (int i = 0; i < prices.size(); i++) {
        int price = prices[i];
        if (price <= limit && price != 0) {
            total += 1;
        } else {
            skipped += 1;
        }
    }
    if (skipped > 0) {
        skipped = 0;
    }
    return total;
}
""",
    "countCheap",
    """#undef NDEBUG
#include<assert.h>
int main(){
    assert (countCheap({1, 5, 0, 3}, 3) == 2);
    assert (countCheap({}, 2) == 0);
}
""",
)
_JAVA = _problem(
    f"""import java.util.*;
import java.lang.*;

class Solution {{
    /**
    {_TEXT[0]}
    {_TEXT[1]}
    >>> countCheap(Arrays.asList(1, 5, 0, 3), 3)
    2
     */
    public int countCheap(List<Integer> prices, int limit) {{
""",
    """        int total = 0;
        int skipped = 0;
        for (int i = 0; i < prices.size(); i++) {
            int price = prices.get(i);
            if (price <= limit && price != 0) {
                total += 1;
            } else {
                skipped += 1;
            }
        }
        if (skipped > 0) {
            skipped = 0;
        }
        return total;
    }
}
""",
    "countCheap",
    """public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        if (s.countCheap(Arrays.asList(1, 5, 0, 3), 3) != 2) {
            throw new AssertionError();
        }
    }
}
""",
)
_JAVASCRIPT = _problem(
    f"""/* {_TEXT[0]}
  {_TEXT[1]}
  >>> countCheap([1, 5, 0, 3], 3)
  2
  */
const countCheap = (prices, limit) => {{
""",
    """  let total = 0;
  let label = 'none';
  for (let i = 0; i < prices.length; i++) {
    const price = prices[i];
    if (price <= limit && price != 0) {
      total += 1;
    } else {
      label = 'some';
    }
  }
  if (total > 0) {
    label = 'one';
  }
  return total;
}

""",
    "countCheap",
    """const testCountCheap = () => {
  console.assert(countCheap([1, 5, 0, 3], 3) === 2)
  console.assert(countCheap([], 2) === 0)
}

testCountCheap()
""",
)
_GO = _problem(
    f"""
// {_TEXT[0]}
// {_TEXT[1]}
// >>> CountCheap([1, 5, 0, 3], 3)
// 2
func CountCheap(prices []int, limit int) int {{
""",
    """    total := 0
    skipped := 0
    for i := 0; i < len(prices); i++ {
        price := prices[i]
        if price <= limit && price != 0 {
            total += 1
        } else {
            skipped += 1
        }
    }
    if skipped > 0 {
        skipped = 0
    }
    return total
}

""",
    "CountCheap",
    """func TestCountCheap(t *testing.T) {
    assert := assert.New(t)
    assert.Equal(2, CountCheap([]int{1, 5, 0, 3}, 3))
    assert.Equal(0, CountCheap([]int{}, 2))
}
""",
    setup='package main\n\nimport (\n    "testing"\n    "github.com/stretchr/testify/assert"\n)\n',
)
_RUST = _problem(
    f"""
/*
{_TEXT[0]}
    {_TEXT[1]}

*/
fn count_cheap(prices: Vec<i32>, limit: i32) -> i32 {{
""",
    """    let mut total: i32 = 0;
    let mut skipped: i32 = 0;
    for i in 0..prices.len() {
        let price = prices[i];
        if price <= limit && price != 0 {
            total += 1;
        } else {
            skipped += 1;
        }
    }
    if skipped > 0 {
        skipped = 0;
    }
    return total;
}
""",
    "count_cheap",
    """
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_count_cheap() {
        assert_eq!(count_cheap(vec![1, 5, 0, 3], 3), 2);
        assert_eq!(count_cheap(vec![], 2), 0);
    }
}
""",
)
PROBLEMS: dict[str, Problem] = {
    "python": python_problem(),
    "python_zh": python_problem(_TEXT_ZH),
    "cpp": _CPP,
    "java": _JAVA,
    "js": _JAVASCRIPT,
    "go": _GO,
    "rust": _RUST,
}
"""By name of the set, as HumanEval-X has them; `python_zh` has a Chinese docstring."""
PROVENANCE = Provenance(origin="tests", paths=(), sha256="0" * 64, rows=1)


def own_benchmark(name: str) -> AnyBenchmark:
    """The problem of one language as a benchmark that makes programs of it."""
    problem = PROBLEMS[name]
    if name.startswith("python"):
        return HumanEval([problem], PROVENANCE)
    return HumanEvalX([problem], PROVENANCE).in_language(name)


def believes(programs: Sequence[Program]) -> list[bool]:
    """A judge that runs nothing and lets all pass: what is tested then is what is checked without running."""
    return [True] * len(programs)
