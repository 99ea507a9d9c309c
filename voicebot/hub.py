"""Model files from the Hugging Face hub, from a cache or downloaded with progress."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from voicebot.errors import MissingDependency, ModelLoadError, UnknownModel, one_line
from voicebot.redaction import shown
from voicebot.registry import Progress
from voicebot.settings import Settings

PROBE_TIMEOUT = 3.0
"""Seconds to wait for any answer of the hub."""


class _Stopped(Exception):
    """Ends the download thread when its caller is gone."""


def endpoint() -> str:
    """Return the address of the hub, or of the mirror that `HF_ENDPOINT` names."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def forbidden() -> bool:
    """Tell whether the environment forbids downloads (`HF_HUB_OFFLINE`)."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def hub_dir(settings: Settings) -> Path:
    """Return the folder for downloads."""
    return settings.data_dir / "models" / "hub"


def cached(repo: str, filename: str, settings: Settings) -> Path | None:
    """Return a file that this program or another one (in the hub's shared cache) has downloaded, or None.

    Uses no network.
    """
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    for folder in (hub_dir(settings), None):
        try:
            found = try_to_load_from_cache(repo, filename, cache_dir=folder)
        except ValueError:  # not a valid name of a repository
            return None
        if isinstance(found, str) and Path(found).is_file():
            return Path(found)
    return None


async def reachable(within: float = PROBE_TIMEOUT) -> bool:
    """Tell whether the hub gives any answer within `within` seconds."""
    if forbidden():
        return False
    answer: Future[bool] = Future()
    answer.set_running_or_notify_cancel()  # so that no timeout cancels it: the thread sets it in any case

    def ask() -> None:
        import httpx

        try:
            httpx.head(endpoint(), timeout=within)  # the root of a mirror may have any status
            answer.set_result(True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            answer.set_result(False)

    # not in the loop's thread pool: a name look-up without a network cannot be stopped, and the
    # program would wait for the pool at its end
    threading.Thread(target=ask, name="hub-probe", daemon=True).start()
    try:
        async with asyncio.timeout(within):
            return await asyncio.wrap_future(answer)
    except TimeoutError:
        return False


async def download(
    repo: str, wanted: Sequence[str], settings: Settings, progress: Progress, *, instead: str
) -> Path:
    """Download the files of `repo` that match `wanted`, and return the folder of the first one.

    `instead` is the hint for people without access to the hub. After a cancellation, complete files are
    kept, and an incomplete one starts over next time.

    Raises:
        UnknownModel: the hub has no such repository or file.
        MissingDependency: huggingface_hub is not installed.
        ModelLoadError: the hub cannot be reached, or the download failed.
    """
    if forbidden():
        raise ModelLoadError(
            f"{repo} is not on this machine, and HF_HUB_OFFLINE forbids downloads.",
            hint=f"Unset HF_HUB_OFFLINE. {instead}",
        )
    if not await reachable():
        raise ModelLoadError(
            f"{repo} is not on this machine, and {shown(endpoint())} does not answer. You may be offline.",
            hint=instead,
            retryable=True,
        )
    stop = threading.Event()
    try:
        return await asyncio.to_thread(_download, repo, wanted, settings, progress, stop.is_set, instead)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.to_thread(_abort_xet)
        raise


def _abort_xet() -> None:
    """End Xet's session with all its downloads, because Xet ignores errors of its progress callback."""
    if "hf_xet" in sys.modules:
        with contextlib.suppress(ImportError):
            from huggingface_hub.utils._xet import abort_xet_session

            abort_xet_session()  # type: ignore[no-untyped-call]


def _download(
    repo: str,
    wanted: Sequence[str],
    settings: Settings,
    progress: Progress,
    stopped: Callable[[], bool],
    instead: str,
) -> Path:
    try:
        from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_download, hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError
    except ImportError as error:
        raise MissingDependency(
            "huggingface_hub is not installed.", hint="Run `pip install huggingface_hub`."
        ) from error
    sizes: dict[str, int] = {}
    try:
        if any("*" in name for name in wanted):
            listing = HfApi(endpoint=endpoint()).model_info(repo, files_metadata=True, timeout=10)
            for item in listing.siblings or []:
                if any(fnmatch(item.rfilename, pattern) for pattern in wanted):
                    sizes[item.rfilename] = item.size or 0
        else:
            for name in wanted:
                meta = get_hf_file_metadata(hf_hub_url(repo, name, endpoint=endpoint()), timeout=10)
                sizes[name] = meta.size or 0
        if not sizes:
            raise UnknownModel(f"{repo} has no file {' or '.join(wanted)}.", hint=instead)
        total = sum(sizes.values())
        bar = progress_bar(f"Downloading {repo} ({total / 1e6:.0f} MB)", total, progress, stopped)
        folder = hub_dir(settings)
        paths = {
            name: Path(hf_hub_download(repo, name, cache_dir=folder, endpoint=endpoint(), tqdm_class=bar))
            for name in sizes
        }
    except GatedRepoError:
        raise ModelLoadError(
            f"{repo} requires you to agree to its terms on {shown(endpoint())}/{repo}.",
            hint="Agree there, and set the environment variable HF_TOKEN to an access token.",
        ) from None  # the original errors quote whole addresses
    except (RepositoryNotFoundError, EntryNotFoundError):
        raise UnknownModel(f"The hub has no {repo} with {', '.join(wanted)}.", hint=instead) from None
    except _Stopped:
        raise ModelLoadError(
            f"The download of {repo} was stopped.", hint="Choose the model again to continue.", retryable=True
        ) from None
    except Exception as error:  # the hub's client may raise errors of any HTTP library
        raise ModelLoadError(
            f"{repo} cannot be downloaded: {one_line(error)}.", hint=instead, retryable=True
        ) from None
    progress(f"{repo} is downloaded", 1.0)
    return next(iter(paths.values())).parent


def progress_bar(what: str, total: int, progress: Progress, stopped: Callable[[], bool]) -> Any:
    """Make a progress bar class for the hub's client, which reports to `progress` and not to the terminal.

    `total` is in bytes. The bar ends the download when `stopped()` is true.
    """
    from tqdm import tqdm

    done = 0
    downloading = threading.get_ident()

    def check() -> None:
        # Xet reports from a thread of its own, where nobody catches the exception
        if stopped() and threading.get_ident() == downloading:
            raise _Stopped

    class Bar(tqdm):  # type: ignore[type-arg, misc, unused-ignore]
        def __init__(self, *args: Any, **options: Any) -> None:
            nonlocal done
            check()
            options.pop("name", None)
            done += int(options.get("initial") or 0)
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal done
            check()
            done += int(n or 0)
            progress(what, min(1.0, done / total) if total else None)
            return None

        def update_transfer(self, n: float | None = 1) -> None:
            """Ignore bytes in transfer: Xet counts them in addition to the written ones."""

        def set_transfer_postfix_str(self, s: str = "", refresh: bool = True) -> None:
            """Ignore the speed."""

    return Bar
