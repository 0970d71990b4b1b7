"""A negative grant takes credits back, typed as one would type it."""

from pathlib import Path

from running import command


def test_a_negative_amount_is_an_amount_and_no_option(tmp_path: Path):
    command(tmp_path, "credits", "grant", "studio", "10")
    taken = command(tmp_path, "credits", "grant", "studio", "-4", "--note", "a mistake")
    assert (taken.returncode, taken.stdout) == (0, "studio has 6 credits available\n")
    refused = command(tmp_path, "credits", "grant", "studio", "-7")
    assert refused.returncode == 1
    assert "does not have that many" in refused.stderr
    misspelt = command(tmp_path, "credits", "grant", "studio", "5", "--nte", "x")
    assert misspelt.returncode == 2
