"""Keys: what they look like, what is kept of them, and when they stop opening doors."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeping import PEPPER, Books
from safelight import accounts
from safelight.accounts import BASE62, Caller, KeyTerms, digest, looks_like_a_key, new_key
from safelight.errors import Unauthenticated
from safelight.settings import Settings, install_secret


def test_a_key_is_a_prefix_thirty_two_random_characters_and_a_checksum():
    keys = {new_key() for _ in range(200)}
    assert len(keys) == 200
    assert all(re.fullmatch(r"sl-[0-9A-Za-z]{38}", key) for key in keys)
    assert all(map(looks_like_a_key, keys))


def test_every_single_character_typo_is_rejected_without_the_database():
    for key in (new_key() for _ in range(10)):
        for at, right in enumerate(key):
            for wrong in BASE62 + "-_ ":
                if wrong != right:
                    assert not looks_like_a_key(key[:at] + wrong + key[at + 1 :])


def test_swapped_missing_and_doubled_characters_are_rejected():
    for key in (new_key() for _ in range(20)):
        for at in range(len(key) - 1):
            one, other = key[at], key[at + 1]
            if one != other:
                assert not looks_like_a_key(key[:at] + other + one + key[at + 2 :])
        assert not any(looks_like_a_key(key[:at] + key[at + 1 :]) for at in range(len(key)))
        assert not any(looks_like_a_key(key[:at] + key[at] + key[at:]) for at in range(len(key)))


@given(st.text(max_size=60))
def test_no_text_makes_the_check_of_a_key_fail(text: str):
    assert not looks_like_a_key(text)


def authenticate(books: Books, key: str, pepper: bytes = PEPPER) -> Caller:
    return books.read(lambda tx: accounts.authenticate(tx, key, pepper))


def issue(books: Books, **terms: object) -> tuple[str, str]:
    """(key, key id) of a fresh key of the studio's."""
    key = new_key()

    async def work(tx):
        account_id = await accounts.ensure(tx, "studio")
        return await accounts.insert_key(
            tx, account_id, key, PEPPER, KeyTerms(name="studio", **terms)
        )

    return key, books.write(work)


def test_an_issued_key_is_known_and_another_install_s_is_not(books: Books):
    key, key_id = issue(books)
    caller = authenticate(books, key)
    assert (caller.key_id, caller.account_name) == (key_id, "studio")
    with pytest.raises(Unauthenticated):
        authenticate(books, key, pepper=b"the secret of another install")
    with pytest.raises(Unauthenticated):
        authenticate(books, new_key())


def test_nothing_in_the_database_gives_a_key_away(books: Books):
    key, _ = issue(books)
    books.write(lambda tx: tx.execute("update accounts set name = name"))
    files = b"".join(file.read_bytes() for file in books.path.parent.glob("books.db*"))
    assert digest(key, PEPPER).encode() in files
    secret_part = key[7:-4]  # the hint shows the first and last characters
    assert secret_part.encode() not in files


def test_a_key_expires_by_the_database_s_clock(books: Books):
    key, _ = issue(books, expires_at_ms=books.clock.now_ms + 60_000)
    books.clock.forward(seconds=59.999)
    assert authenticate(books, key)
    books.clock.forward(seconds=0.001)
    with pytest.raises(Unauthenticated):
        authenticate(books, key)


def test_a_revoked_key_stays_closed_and_others_stay_open(books: Books):
    (key, key_id), (other, _) = issue(books), issue(books)
    assert books.write(lambda tx: accounts.revoke_key(tx, key_id))
    assert not books.write(lambda tx: accounts.revoke_key(tx, key_id))
    assert not books.write(lambda tx: accounts.revoke_key(tx, "key_nobody_has"))
    with pytest.raises(Unauthenticated):
        authenticate(books, key)
    assert authenticate(books, other)


def test_a_key_may_use_the_models_it_was_given(books: Books):
    key, _ = issue(books, models=frozenset({"krea-2-turbo", "flux-1-dev"}))
    caller = authenticate(books, key)
    assert caller.may_use("flux-1-dev")
    assert not caller.may_use("nano-banana-pro")
    unrestricted, _ = issue(books)
    assert authenticate(books, unrestricted).may_use("nano-banana-pro")


def test_an_account_is_made_once(books: Books):
    ids = {books.write(lambda tx: accounts.ensure(tx, "studio")) for _ in range(3)}
    assert len(ids) == 1


def test_the_list_of_keys_has_hints_and_no_digests(books: Books):
    key, key_id = issue(books)
    [row] = books.read(accounts.list_keys)
    assert row["id"] == key_id
    assert row["hint"] == f"{key[:7]}…{key[-4:]}"
    assert digest(key, PEPPER) not in tuple(row)


def test_the_install_s_secret_is_made_once_and_is_the_owner_s_alone(tmp_path):
    config = Settings(home=tmp_path / "home")
    secret = install_secret(config)
    assert len(secret) == 64
    assert install_secret(config) == secret
    assert (tmp_path / "home" / "secret").stat().st_mode & 0o077 == 0
    given = Settings(home=tmp_path / "home", secret="sixteen characters")
    assert install_secret(given) == b"sixteen characters"
