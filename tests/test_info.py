"""What info() says, and the default number of threads."""

import numpy as np
import pytest

import fastconv


def test_info_names_the_build_and_the_machine():
    facts = fastconv.info()
    assert facts["fastconv"] == fastconv.__version__ and facts["numpy"] == np.__version__
    assert facts["isa"] in facts["isas"] and facts["isas"][0] == "scalar"
    assert facts["threads"] == fastconv.get_num_threads() and facts["logical_cpus"] >= 1
    assert facts["l1_bytes"] > 0 and facts["l2_bytes"] > 0 and facts["openmp"] >= 0
    assert facts["algorithms"][-1] == "reference"


def test_info_prints_a_line_for_each_fact():
    facts = fastconv.info()
    lines = str(facts).splitlines()
    assert [line.split(":")[0] for line in lines] == list(facts)
    assert f"isa:{' ' * 10}{facts['isa']}" in lines
    assert any("KiB" in line for line in lines)


def test_a_serial_build_says_so():
    facts = fastconv.info()
    facts["openmp"] = 0
    assert "no: this build is serial" in str(facts)


def test_number_of_threads(keep_threads):
    fastconv.set_num_threads(3)
    assert fastconv.get_num_threads() == 3
    fastconv.set_num_threads(np.int64(1))
    assert fastconv.get_num_threads() == 1


@pytest.mark.parametrize(
    "value, error", [(0, ValueError), (-1, ValueError), (2**31, ValueError), (1.0, TypeError), (True, TypeError)]
)
def test_bad_numbers_of_threads(value, error, keep_threads):
    with pytest.raises(error, match="n "):
        fastconv.set_num_threads(value)
    assert fastconv.get_num_threads() == keep_threads
