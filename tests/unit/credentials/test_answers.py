"""proxy.credentials.answers: a token, a refusal, a mistake or no answer, in every shape that services have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials.answers import read_answer
from proxy.errors import CredentialMisconfigured, CredentialRefused, ProxyError, TokenRejected, TokenUnavailable
from proxy.traffic import Answer
from tests.unit.credentials.sites import error, reply

JSON_401 = error(401, "You are not authorized to access this information", "Invalid credentials")
JSON_400 = error(400, "Unable to generate token.", ["Invalid username or password."])
USAGE = b"Invalid request<br>Usage: /tokens?request=gettoken&username=me"


def text(body: bytes, status: int = 200) -> Answer:
    return Answer(status, {"content-type": "text/html"}, body)


@pytest.mark.parametrize(
    ("answer", "is_text", "token"),
    [
        (reply({"token": "abc", "expires": 1}), False, "abc"),
        (reply({"token": "abc"}), True, "abc"),  # the text service, asked with f=json
        (Answer(200, {}, b'\xef\xbb\xbf \r\n{"token": "abc|.~_-"}'), False, "abc|.~_-"),
        (reply({"token": "x" * 4096}), False, "x" * 4096),
        (text(b"Abc123_.~+/=-" * 3 + b"\r\n"), True, "Abc123_.~+/=-" * 3),
    ],
)
def test_every_form_of_a_token_is_read(answer: Answer, is_text: bool, token: str) -> None:
    assert read_answer(answer, text=is_text).token.reveal() == token


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "tökén", "x" * 4097, 5, None, ["a"], {"a": 1}, "a\x00b"])
def test_what_no_header_could_carry_is_no_token(token: object) -> None:
    with pytest.raises(TokenUnavailable):
        read_answer(reply({"token": token}), text=False)


@pytest.mark.parametrize(
    "body",
    [
        USAGE,
        b"<html>Sign in</html>",
        b"",
        b"short",
        b"a" * 4097,
        b"two words and more",
        b'"quoted-token-text"',
        b"a" * 20 + b"\n" + b"b" * 20,
    ],
)
def test_what_only_looks_like_success_is_no_text_token(body: bytes) -> None:
    with pytest.raises(TokenUnavailable):
        read_answer(text(body), text=True)


def test_a_bare_token_is_none_where_json_was_asked() -> None:
    with pytest.raises(TokenUnavailable):
        read_answer(text(b"a" * 64), text=False)


@pytest.mark.parametrize(
    "answer",
    [
        reply(JSON_401),
        reply(JSON_400),
        reply(JSON_401, status=401),  # as an outage it would be tried again until the account locks
        reply(JSON_400, status=400),
        reply(error(403)),
        reply(error("401")),
        reply({"status": "error", "code": 401, "messages": ["Unauthorized access"]}),
        reply({"token": "abc"}, status=401),
        reply({}, status=403),
        text(b"<html>Forbidden</html>", 403),
        text(b"", 401),
    ],
)
@pytest.mark.parametrize("is_text", [True, False])
def test_every_form_of_a_refusal_is_one(answer: Answer, is_text: bool) -> None:
    with pytest.raises(CredentialRefused):
        read_answer(answer, text=is_text)


@pytest.mark.parametrize(
    "answer",
    [
        reply(error(201, "Exception in generating token", "Client id cannot be determined")),
        reply(error(405, "Method not supported", "HTTP GET is disabled")),
        text(b"Failed to generate a token. Client ID is required for long expiration tokens."),
        Answer(301, {"location": "https://elsewhere.example.com/"}, b""),
        Answer(307, {}, b'{"token": "abc"}'),
    ],
)
def test_a_mistake_of_ours(answer: Answer) -> None:
    with pytest.raises(CredentialMisconfigured):
        read_answer(answer, text=False)


@pytest.mark.parametrize(
    "answer",
    [
        reply(error(500)),
        reply(error(None)),
        reply(error(True)),
        reply({"error": "no"}),
        reply({"status": "error", "messages": ["Could not access any server machines."]}),
        reply(["token"]),
        reply("token"),
        reply({"token": "abc"}, status=500),
        text(b"<html>Could not access any server machines.</html>"),
        text(b"{", 200),
        text(b"[" * 50_000),
        text(b"\xff\xfe"),
        text(b"", 404),
        text(b"", 500),
    ],
)
def test_what_is_neither_token_nor_refusal_is_an_outage(answer: Answer) -> None:
    with pytest.raises(TokenUnavailable) as caught:
        read_answer(answer, text=False)
    assert caught.value.retry_after == 5
    assert all(caught.value.details)


@pytest.mark.parametrize("code", [498, 499, "498"])
def test_a_rejected_token_is_a_signal_of_its_own(code: object) -> None:
    with pytest.raises(TokenRejected):
        read_answer(reply(error(code)), text=False)


@pytest.mark.parametrize(
    ("details", "shown"),
    [
        ("Invalid credentials", "No. Invalid credentials"),
        (["Invalid username", "or password."], "No. Invalid username or password."),
        (["a\nb\x1b[31m", "<b>c</b>", 5, "not shown"], "No. ab[31m bc/b 5"),
        ("SSL is required", "No. TLS is required"),  # the JS SDK takes the word for a sign of its own
        ({"a": 1}, "No."),
        ("x" * 300, "No. " + "x" * 200),
    ],
)
def test_the_services_own_sentence_is_shown_cleaned(details: object, shown: str) -> None:
    with pytest.raises(CredentialRefused) as caught:
        read_answer(reply(error(401, "No.", details)), text=False)
    assert caught.value.message.endswith(f"It says: {shown}")


@pytest.mark.parametrize("date", ["yesterday", "", "Tue, 99 Nov 2023 21:13:20 GMT"])
def test_a_date_that_is_none_says_nothing(date: str) -> None:
    assert read_answer(reply({"token": "abc"}, headers={"date": date}), text=False).server_time is None


def test_the_date_is_the_services_own_clock() -> None:
    good = read_answer(reply({"token": "abc"}, headers={"date": "Tue, 14 Nov 2023 22:13:20 GMT"}), text=False)
    assert good.server_time == 1_700_000_000


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["token", "expires", "error", "code", "message", "details", "messages"]), inner
        )
    ),
    max_leaves=8,
)


@given(
    st.one_of(JSON.map(lambda document: reply(document).body), st.binary(max_size=200)),
    st.integers(200, 599),
    st.booleans(),
)
def test_garbage_is_a_token_or_a_refusal_and_nothing_else(body: bytes, status: int, is_text: bool) -> None:
    try:
        token = read_answer(Answer(status, {}, body), text=is_text).token.reveal()
    except (ProxyError, TokenRejected):
        return
    assert status < 300
    assert token.isascii()
    assert token.isprintable()
    assert " " not in token


@pytest.mark.parametrize("setting", ["tokenServiceUri", "oauth2Endpoint", "portalUrl"])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(302, {"location": "https://h/login"}, b""),
        text(b"<html>Sign in</html>"),
        text(b"<html>Not Found</html>", 404),
        reply(error(400, "Invalid URL", ["Invalid URL"])),
    ],
)
def test_what_is_to_be_set_is_what_the_kind_of_credential_calls_it(answer: Answer, setting: str) -> None:
    with pytest.raises((CredentialMisconfigured, TokenUnavailable)) as caught:
        read_answer(answer, setting=setting)
    said = " ".join(caught.value.details)
    assert setting in said
    assert setting == "tokenServiceUri" or "tokenServiceUri" not in said


def test_a_web_server_that_asks_for_a_login_is_no_wrong_password() -> None:
    with pytest.raises(CredentialMisconfigured) as caught:
        read_answer(Answer(401, {"www-authenticate": "Negotiate, NTLM"}, b"<html>Unauthorized</html>"))
    assert caught.value.details == ("Set the type of the credential to negotiate.",)
    # a token service may do both; then its own words count
    with pytest.raises(CredentialRefused):
        read_answer(reply(JSON_401, 401, {"www-authenticate": "Negotiate"}))
