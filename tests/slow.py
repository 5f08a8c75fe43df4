"""Which tests are slow: those of slow.txt, chosen by how long they took. Write it anew from a run of all tests:

    pytest --durations=0 > suite.log
    python tests/slow.py suite.log > tests/slow.txt

Without a log it prints the files and folders of the nightly tests.

A line names a file, a class or a function of tests, and how many seconds it took on one of two cores.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Container, Iterable
from pathlib import Path, PurePosixPath

LIST = Path(__file__).with_name("slow.txt")
SLOW = 0.3
"""Seconds, with set-up, from which a test is slow; then it is with all its parameters."""
KEPT = {
    "tests/cli/test_printed.py::test_the_report_of_an_adaptation_is_recognised_by_its_file",
    "tests/e2e/test_command.py::test_compare_prints_the_table_and_writes_the_run",
    "tests/e2e/test_imports.py",
    "tests/golden/test_written_before.py::test_json_has_the_keys_that_it_had",
    "tests/metrics/test_threshold_counts.py",
    "tests/pipeline/test_embedding.py",
    "tests/relation/test_leave_one_dataset_out.py",
    "tests/significance/test_bootstrap.py",
    "tests/store/test_conformance.py::TestStore",
    "tests/studies/prompts/test_study.py::test_the_command",
}
"""Never slow: parity and conformance whose first test compiles, and every command once from end to end."""
NIGHTLY = {
    "tests/backbones/test_torch_compile.py",
    "tests/cli/test_printed.py::test_of_several_results_in_a_folder_the_newest_is_drawn",
    "tests/cli/test_printed.py::test_several_backbones_print_a_table_and_how_they_agree",
    "tests/data/test_huggingface.py::test_a_name_is_read_from_the_library_s_cache",
    "tests/data/test_volumes.py::test_no_text_of_a_tag_reaches_a_file_of_any_command",
    "tests/e2e/test_command.py::test_ctrl_c_says_how_to_go_on",
    "tests/e2e/test_crack_sets.py::test_distance_grows_with_the_dial",
    "tests/e2e/test_sources.py",
    "tests/e2e/test_without_posix.py",
    "tests/explore/test_browser.py",
    "tests/explore/test_image_map.py",
    "tests/explore/test_notebook.py",
    "tests/faults",
    "tests/fuzz/test_fuzz.py",
    "tests/integrations/test_mcp_server.py::test_all_tools_over_stdio_begin_with_the_verdict_and_write_below_the_folder_alone",
    "tests/integrations/test_watch.py::test_kill_9_at_any_moment_loses_and_repeats_no_image",
    "tests/memory",
    "tests/numerics/test_numerics.py::test_numbers_of_another_process_do_not_depend_on",
    "tests/pipeline/test_on_ray.py",
    "tests/pipeline/test_pairs.py",
    "tests/pipeline/test_cached_sums.py",
    "tests/pipeline/test_together.py",
    "tests/report/test_browser.py",
    "tests/report/test_the_same_again.py",
    "tests/runners/test_ray.py",
    "tests/store/test_conformance.py::TestOnS3",
    "tests/store/test_index_database.py",
    "tests/store/test_memory.py",
    "tests/studies/adaptation/test_adapt.py",
    "tests/studies/pool/test_pool.py",
    "tests/studies/prompts/test_study.py::test_texts_are_clipsegs",
    "tests/studies/test_adaptations.py",
    "tests/studies/test_matrix.py::test_pairs_as_tasks_of_a_cluster",
    "tests/tracking/test_tracking.py",
}
"""Tests of minutes that ``pytest`` alone leaves out: Ray, kills, full disks, memory, S3, browsers, trackers, many trainings."""
DURATION = re.compile(r"\s*([\d.]+)s (?:call|setup|teardown)\s+(.+)")


def listed() -> dict[str, float]:
    """The entries of slow.txt with their seconds."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return {name: float(seconds) for seconds, name in (line.split() for line in lines)}


def is_among(test: str, entries: Container[str]) -> bool:
    """Whether a test is listed, or its class, file or folder is.

    Examples
    --------
    >>> is_among("tests/a.py::TestB::test_c[1::2]", {"tests/a.py::TestB"}), is_among("tests/a/b.py::test_c", {"tests/a"})
    (True, True)
    """
    parts = test.partition("[")[0].split("::")
    folders = (folder.as_posix() for folder in PurePosixPath(parts[0]).parents)
    return any("::".join(parts[:count]) in entries for count in range(1, len(parts) + 1)) or any(
        map(entries.__contains__, folders)
    )


def unit_of(test: str, whole_folders: bool) -> str:
    """The folder or file of a test, whose tests run in one process: those of a folder share its fixtures.

    Examples
    --------
    >>> unit_of("tests/cli/test_names.py::test_a[b/c]", True), unit_of("tests/cli/test_names.py::test_a", False)
    ('tests/cli', 'tests/cli/test_names.py')
    """
    file = test.partition("::")[0]
    return file.rpartition("/")[0] if whole_folders else file


def longest_first(tests: Iterable[str], whole_folders: bool) -> list[str]:
    """List the units of tests, those of the most seconds first, so that no process is left alone with a long one."""
    seconds: dict[str, float] = defaultdict(float)
    for name, taken in listed().items():
        seconds[unit_of(name, whole_folders)] += taken
    return sorted(dict.fromkeys(unit_of(test, whole_folders) for test in tests), key=lambda unit: -seconds[unit])


def choose(log: str) -> dict[str, float]:
    """Choose the functions of tests of which one case takes `SLOW` seconds or more, by the durations in pytest's output."""
    cases: dict[str, float] = defaultdict(float)
    for seconds, case in (match.groups() for match in map(DURATION.match, log.splitlines()) if match):
        cases[case] += float(seconds)
    functions = defaultdict(list)
    for case, seconds in cases.items():
        functions[case.partition("[")[0]].append(seconds)
    return {name: sum(taken) for name, taken in functions.items() if max(taken) >= SLOW and not is_among(name, KEPT)}


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(*sorted({entry.partition("::")[0] for entry in NIGHTLY}))
        sys.exit()
    for name, taken in sorted(choose(Path(sys.argv[1]).read_text(encoding="utf-8")).items()):
        print(f"{taken:6.1f} {name}")
