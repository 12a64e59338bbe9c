"""A machine of its own: accounts for NTLM, and no ticket of whoever runs the tests."""

from pathlib import Path

import pytest

from tests.unit.credentials.world import PASSWORD


@pytest.fixture
def ntlm_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = tmp_path / "users"
    users.write_text(f"CITY:webmap:{PASSWORD}\n", encoding="utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_CLIENT_KTNAME", "KRB5_KTNAME"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
