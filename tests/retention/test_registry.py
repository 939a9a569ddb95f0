"""Methods are found by file name, without importing torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fpc.retention
from fpc.retention import registry
from fpc.retention.interface import MethodOptions, RetentionMethod


def test_all_methods_of_the_paper_exist() -> None:
    paper = {"scratch", "vanilla", "behavioral_cloning", "kickstarting", "ewc", "episodic_memory"}
    assert paper <= set(registry.method_names())


def test_every_method_is_complete() -> None:
    methods = [registry.load_method(name) for name in registry.method_names()]
    assert len({method.label for method in methods}) == len(methods)
    assert len({method.colour for method in methods}) == len(methods)
    for method in methods:
        assert issubclass(method, RetentionMethod)
        assert issubclass(method.Options, MethodOptions)
        for field in method.Options.model_fields.values():
            assert field.description


def test_only_scratch_and_its_variants_do_not_start_from_pi_star() -> None:
    names = [name for name in registry.method_names() if not registry.load_method(name).pretrained]
    assert names == ["scratch", "scratch_behavioral_cloning", "scratch_kickstarting"]


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ValueError, match=r"Did you mean 'kickstarting'\?"):
        registry.load_method("kickstart")
    with pytest.raises(ValueError, match="Available: behavioral_cloning"):
        registry.load_method("zzz")


def test_a_new_file_is_a_new_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (Path(fpc.retention.__file__).parent / "vanilla.py").read_text(encoding="utf-8")
    (tmp_path / "hold_still.py").write_text(source.replace("class Vanilla", "class HoldStill"))
    (tmp_path / "two_at_once.py").write_text(source + "\n\nclass Other(Vanilla):\n    pass\n")
    monkeypatch.setattr(fpc.retention, "__path__", [*fpc.retention.__path__, str(tmp_path)])
    registry._methods_with.cache_clear()
    with pytest.raises(ImportError, match="Vanilla, Other"):
        registry.method_names()
    (tmp_path / "two_at_once.py").unlink()
    assert registry.load_method("hold_still").__name__ == "HoldStill"
    registry._methods_with.cache_clear()


def test_no_torch_is_imported() -> None:
    check = (
        "import sys; from fpc.retention.registry import method_names; method_names(); "
        "sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
