"""compat.use, install, uninstall and status: counted, process-wide, reversible."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
import threading
import types
from unittest import mock

import numpy as np
import pytest

from fastconv import compat

signal = pytest.importorskip("scipy.signal", reason="scipy is not installed")
ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed")

OWN = {"scipy.signal": signal.convolve, "scipy.ndimage": ndimage.convolve, "numpy": np.convolve}
MODULES = {"scipy.signal": signal, "scipy.ndimage": ndimage, "numpy": np}


@pytest.fixture(autouse=True)
def nothing_stays():
    yield
    compat.uninstall()
    assert not compat.status().replaced
    assert all(MODULES[host].convolve is function for host, function in OWN.items())


@pytest.mark.parametrize("host", OWN)
def test_a_block_replaces_and_puts_back(host):
    with compat.use(host):
        assert MODULES[host].convolve.__module__.startswith("fastconv.compat.")
        assert list(compat.status().replaced) == [host] and compat.status().uses[host] == 1
    assert MODULES[host].convolve is OWN[host]


def test_blocks_nest_and_overlap():
    first, second = compat.use("scipy.signal", "numpy"), compat.use("scipy.signal")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert signal.convolve is not OWN["scipy.signal"] and np.convolve is OWN["numpy"]
    second.__exit__(None, None, None)
    assert signal.convolve is OWN["scipy.signal"]
    same = compat.use("scipy.signal", "scipy.signal")
    with same, same:
        assert compat.status().uses["scipy.signal"] == 2


def test_an_exception_ends_a_block_and_functions_are_decorated():
    with pytest.raises(ZeroDivisionError), compat.use("scipy.ndimage"):
        raise ZeroDivisionError
    assert ndimage.convolve is OWN["scipy.ndimage"]

    @compat.use("scipy.ndimage")
    def inside():
        return ndimage.convolve

    assert inside() is not OWN["scipy.ndimage"]


def test_install_and_uninstall():
    compat.install("scipy.signal", "numpy")
    compat.install("scipy.signal")
    assert compat.status().installed == ["scipy.signal", "numpy"]
    with compat.use("scipy.signal"):
        compat.uninstall("scipy.signal")
        assert signal.convolve is not OWN["scipy.signal"]
    assert signal.convolve is OWN["scipy.signal"] and np.convolve is not OWN["numpy"]
    compat.uninstall()
    compat.uninstall("scipy.ndimage")
    assert "nothing is replaced" in str(compat.status())


def test_every_thread_sees_it():
    seen = []
    with compat.use("scipy.signal"):
        thread = threading.Thread(target=lambda: seen.append(signal.convolve is OWN["scipy.signal"]))
        thread.start()
        thread.join()
    assert seen == [False]


def test_many_threads_open_and_close():
    def work():
        for _ in range(200):
            with compat.use("scipy.ndimage"):
                assert ndimage.convolve is not OWN["scipy.ndimage"]

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ndimage.convolve is OWN["scipy.ndimage"] and compat.status().uses["scipy.ndimage"] == 0


def test_status_lists_names_bound_earlier():
    holder = types.ModuleType("an_early_bird")
    holder.blur = ndimage.gaussian_filter
    sys.modules["an_early_bird"] = holder
    try:
        with compat.use("scipy.ndimage"):
            status = compat.status()
            assert "an_early_bird.blur" in status.bound_earlier
            assert holder.blur is not ndimage.gaussian_filter
            text = str(status)
            assert "gaussian_filter" in text and "bound earlier" in text and "an_early_bird.blur" in text
    finally:
        del sys.modules["an_early_bird"]


def test_status_lists_names_bound_inside():
    holder = types.ModuleType("a_late_bird")
    sys.modules["a_late_bird"] = holder
    try:
        with compat.use("scipy.ndimage"):
            exec("from scipy.ndimage import gaussian_filter as blur", vars(holder))
            assert "a_late_bird.blur" in compat.status().bound_inside
        status = compat.status()
        assert holder.blur is not ndimage.gaussian_filter and "a_late_bird.blur" in status.bound_inside
        assert "a_late_bird.blur" not in status.bound_earlier and not status.replaced
        assert "a_late_bird.blur" in str(status)
    finally:
        del sys.modules["a_late_bird"]
    assert "scipy.ndimage.gaussian_filter" not in compat.status().bound_inside


@pytest.mark.parametrize("times", range(1, 6))
def test_an_interrupt_leaves_nothing_half_replaced(monkeypatch, times):
    """Ctrl-C during an import, and before each function that is replaced or put back."""
    module = importlib.import_module("fastconv.compat.use")
    monkeypatch.setattr(module, "_replacements", {})
    real, left = importlib.import_module, [times]

    def interrupted(name):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return real(name)

    with monkeypatch.context() as patch:
        patch.setattr(module.importlib, "import_module", interrupted)
        if times <= 4:
            with pytest.raises(KeyboardInterrupt):
                compat.install("scipy.signal", "scipy.ndimage")
    assert signal.convolve is OWN["scipy.signal"] and ndimage.convolve is OWN["scipy.ndimage"]
    put = module._Place.put

    def put_once(place, function, instead):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        put(place, function, instead)

    monkeypatch.setattr(module._Place, "put", put_once)
    left[0] = 2 * times
    with pytest.raises(KeyboardInterrupt), compat.use("scipy.signal", "scipy.ndimage"):
        raise AssertionError
    assert not compat.status().replaced and not any(compat.status().uses.values())
    block = compat.use("scipy.signal", "scipy.ndimage")
    block.__enter__()
    left[0] = 2 * times
    with pytest.raises(KeyboardInterrupt):
        block.__exit__(None, None, None)
    assert not compat.status().replaced and not any(compat.status().uses.values())


class InterruptedLock:
    """A lock at which Ctrl-C comes, one time, while it is waited for."""

    def __init__(self):
        self.interrupts = 1

    def __enter__(self):
        self.interrupts -= 1
        if self.interrupts >= 0:
            raise KeyboardInterrupt

    def __exit__(self, *exception):
        pass


def interrupt_the_wait(patch, module):
    patch.setattr(module, "_lock", InterruptedLock())


def interrupt_the_settling(patch, module):
    real, left = module._settle, [1]

    def settle(hosts):
        left[0] -= 1
        if left[0] >= 0:
            raise KeyboardInterrupt
        real(hosts)

    patch.setattr(module, "_settle", settle)


@pytest.mark.parametrize("interrupt", [interrupt_the_wait, interrupt_the_settling])
def test_an_interrupted_block_begins_or_ends_whole(monkeypatch, interrupt):
    module = importlib.import_module("fastconv.compat.use")
    block = compat.use("scipy.signal", "numpy")
    with monkeypatch.context() as patch:
        interrupt(patch, module)
        with pytest.raises(KeyboardInterrupt):
            block.__enter__()
    assert not compat.status().replaced and not any(compat.status().uses.values())
    with block:
        block.__enter__()
        with monkeypatch.context() as patch:
            interrupt(patch, module)
            with pytest.raises(KeyboardInterrupt):
                block.__exit__(None, None, None)
        assert compat.status().uses["scipy.signal"] == compat.status().uses["numpy"] == 1
    assert not compat.status().replaced


def test_the_lock_is_not_held_while_a_host_is_imported(monkeypatch):
    module = importlib.import_module("fastconv.compat.use")
    monkeypatch.setattr(module, "_replacements", {})
    lock = mock.MagicMock()
    monkeypatch.setattr(module, "_lock", lock)
    for action in (lambda: compat.use("numpy").__enter__(), lambda: compat.install("numpy")):
        with mock.patch.object(module.importlib, "import_module", side_effect=KeyboardInterrupt):
            with pytest.raises(KeyboardInterrupt):
                action()
    assert not lock.__enter__.called


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="interrupts come between CPython's instructions")
def test_an_interrupt_before_any_instruction_leaves_nothing(monkeypatch):
    module = importlib.import_module("fastconv.compat.use")
    # An interrupt between the end of a `with` and the lock's own exit, where none comes but here, leaves it locked.
    monkeypatch.setattr(module, "_lock", threading.RLock())

    # What the settling itself does has its own tests.
    steps = ("__init__", "__enter__", "begin", "__exit__", "_end", "end")

    def interrupted_before(number):
        left = number

        def trace(frame, event, argument):
            nonlocal left
            if frame.f_code.co_filename != module.__file__ or frame.f_code.co_name not in steps:
                return None
            frame.f_trace_opcodes = True
            left -= event == "opcode"
            if not left:
                sys.settrace(None)
                raise KeyboardInterrupt
            return trace

        debugger = sys.gettrace()
        sys.settrace(trace)
        try:
            with compat.use("numpy"):
                pass
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(debugger)
        return False

    with compat.use("numpy"):
        pass
    number = 1
    while interrupted_before(number):
        assert np.convolve is OWN["numpy"] and not compat.status().uses["numpy"], number
        number += 1
    assert number > 100


def test_a_block_that_nobody_can_end_is_none():
    compat.use("numpy").__enter__()
    gc.collect()
    assert np.convolve is OWN["numpy"] and compat.status().uses["numpy"] == 0


def test_what_is_patched_when_a_host_is_first_used_is_replaced_later():
    code = (
        "from unittest import mock\n"
        "import numpy as np, scipy.ndimage, scipy.signal\n"
        "from fastconv import compat\n"
        "for module, name in ((scipy.ndimage, 'gaussian_filter'), (scipy.signal, 'convolve'), (np, 'convolve')):\n"
        "    own = getattr(module, name)\n"
        "    with mock.patch.object(module, name) as patch, compat.use(module.__name__):\n"
        "        assert getattr(module, name) is patch\n"
        "    assert getattr(module, name) is own\n"
        "    with compat.use(module.__name__):\n"
        "        assert getattr(module, name).__module__.startswith('fastconv'), name\n"
        "    assert getattr(module, name) is own\n"
        "from fastconv.compat import ndimage, scipy_signal\n"
        "assert type(ndimage.gaussian_filter(np.ones((3, 3)), 1)) is np.ndarray\n"
        "assert type(scipy_signal.convolve(np.ones(3, np.float16), np.ones(2, np.float16))) is np.ndarray\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_deleted_meanwhile():
    with compat.use("scipy.signal", "scipy.ndimage"):
        del signal.convolve
        assert "convolve" not in compat.status().replaced["scipy.signal"]
    assert not hasattr(signal, "convolve") and not compat.status().replaced
    with compat.use("scipy.signal"):
        assert not hasattr(signal, "convolve") and signal.correlate.__module__.startswith("fastconv")
    assert not compat.status().replaced
    signal.convolve = OWN["scipy.signal"]


def test_a_place_that_refuses_hinders_no_other(monkeypatch):
    module = importlib.import_module("fastconv.compat.use")
    put = module._Place.put

    def refuse(place, function, instead):
        if place.name == "convolve":
            raise AttributeError(place.name)
        put(place, function, instead)

    with monkeypatch.context() as patch:
        patch.setattr(module._Place, "put", refuse)
        with pytest.raises(AttributeError, match="convolve"), compat.use("scipy.signal", "scipy.ndimage"):
            raise AssertionError
        assert not compat.status().replaced
    block = compat.use("scipy.signal", "scipy.ndimage")
    block.__enter__()
    with monkeypatch.context() as patch:
        patch.setattr(module._Place, "put", refuse)
        with pytest.raises(AttributeError, match="convolve"):
            block.__exit__(None, None, None)
    assert compat.status().replaced == {"scipy.signal": ["convolve"], "scipy.ndimage": ["convolve"]}
    with compat.use("scipy.signal", "scipy.ndimage"):
        pass


def test_ending_what_is_not_open_is_an_error():
    block = compat.use("numpy")
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"use\('numpy'\) is not open: .*with"):
            block.__exit__(None, None, None)
        with block:
            assert np.convolve is not OWN["numpy"]
    assert compat.status().uses["numpy"] == 0


def test_what_others_put_there_stays(monkeypatch):
    with compat.use("scipy.signal"):
        ours = signal.correlate
        monkeypatch.setattr(signal, "convolve", max)
    assert signal.convolve is max and signal.correlate is not ours
    monkeypatch.undo()
    signal.convolve = OWN["scipy.signal"]


@pytest.mark.parametrize("hosts", [(), ("scipy",), ("scipy.signal", "nonsense"), (None,), (["numpy"],)])
def test_mistakes_name_the_host(hosts):
    for function in (compat.use, compat.install):
        with pytest.raises(ValueError, match="host"):
            function(*hosts)
    if hosts:
        with pytest.raises(ValueError, match="host"):
            compat.uninstall(*hosts)


def test_importing_the_room_imports_no_host():
    code = "import sys, fastconv.compat; assert not any(name.startswith('scipy') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_host_says_what_to_install():
    code = (
        "import sys; sys.modules['scipy'] = None\n"
        "import fastconv.compat\n"
        "for host in ('scipy.signal', 'scipy.ndimage'):\n"
        "    try:\n"
        "        fastconv.compat.install(host)\n"
        "    except ImportError as error:\n"
        "        assert 'pip install scipy' in str(error), error\n"
        "    else:\n"
        "        raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
