"""Write a result with its figures and report into a run folder, load it again, and redraw its figures and report."""

from pathlib import Path
from typing import Unpack

from howfar import registry
from howfar.errors import HowfarError, InputError, StoreError, one_line
from howfar.io.atomic_writes import cut_off
from howfar.io.file_location import absolute
from howfar.option_checks_and_signatures import checked, with_options
from howfar.options_by_function import PageOptions
from howfar.progress import doing
from howfar.results import Comparison
from howfar.results.checksums_and_overwrite_guard import every_result
from howfar.results.result import Result


def write_run(result: Result, folder: str | Path) -> Path:
    """Write a result's files, figures and page into a folder, and return the page's path."""
    return draw(result, result.save(folder))


def draw(result: Result, folder: Path, **beside: Result) -> Path:
    """Draw the figures and page of a result, with others `beside` it, and of the runs below it; return the page's path."""
    doing("drawing figures and the report")
    for name, run in result.runs().items():
        draw(run, folder / name)
    page: Path = registry.load("reports", result.REPORT)(result, folder, **beside)
    return page


@with_options(PageOptions)
def write_report(run: str | Path, **options: Unpack[PageOptions]) -> Path:
    """Redraw figures/ and report.html of a run folder from its tables, and return the page's path.

    Raises `MissingPathError` where the folder holds no result, `StoreError` where its result is damaged, of another format, or
    cannot be drawn, and `InputError` where a map is asked for that cannot be made.

    Parameters
    ----------
    run
        A folder that compare, matrix, adapt or prompts wrote, or the `save` of their results. Of several results in it the
        one that was written last is drawn.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import howfar
    >>> rng = np.random.default_rng(0)
    >>> run = howfar.compare(rng.normal(size=(20, 4)), {"site": rng.normal(size=(20, 4))}, bootstrap=0, permutations=0)
    >>> write_report(run.save(tempfile.mkdtemp())).name
    'report.html'
    """
    given = checked(PageOptions, options)
    result = load(run)
    with_map(result, given)
    folder = absolute(run)
    try:
        return draw(result, folder)
    except HowfarError:
        raise
    # What drawing stumbles over in a folder that was whole when it was written.
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        what = f"{folder} cannot be drawn ({one_line(f'{type(error).__name__}: {error}')})"
        why = "its files were changed, or this is a bug in howfar"
        on = f"run {result.COMMAND} again; if that does not help, send in what HOWFAR_DEBUG=1 prints"
        raise StoreError(f"{what}: {why}; {on}") from error


def load(run: str | Path) -> Result:
    """Read the result in a run folder, which a command or `save` wrote, of any kind; of several results, the latest.

    Raises `MissingPathError` where the folder holds no result, and `StoreError` where its result is damaged or of another
    format.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import howfar
    >>> rng = np.random.default_rng(0)
    >>> run = howfar.compare(rng.normal(size=(20, 4)), {"site": rng.normal(size=(20, 4))}, bootstrap=0, permutations=0)
    >>> type(howfar.load(run.save(tempfile.mkdtemp()))).__name__
    'Comparison'
    """
    folder = absolute(run)
    kinds: list[type[Result]] = every_result()
    written = [kind for kind in kinds if (folder / kind.DOCUMENT).is_file()]
    # Where none is whole, the one whose writing was cut off says so.
    begun = next((kind for kind in kinds if kind.DOCUMENT in cut_off(folder)), Comparison)
    latest = max(written, key=lambda kind: (folder / kind.DOCUMENT).stat().st_mtime_ns, default=begun)
    return latest.load(folder)


def with_map(result: Result, given: PageOptions) -> None:
    """Save the map that a run's pages open with; raise `InputError` if the result is not a comparison."""
    if (chosen := given["map"]) is None:
        return
    if not isinstance(result, Comparison):
        raise InputError.of("map", "is of runs of howfar compare alone", chosen, "leave it out")
    # It loads what embeds images, which a report needs not.
    from howfar.studies.image_umap import keep_map

    keep_map(result, chosen, store=given["store"])
