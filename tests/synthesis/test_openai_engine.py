import json
import random
import time
from email.utils import formatdate

import pytest

from recipes.synthesis.engines import EngineError, openai_engine
from recipes.synthesis.engines.openai_engine import OpenAIEngine, retry_after
from recipes.synthesis.plan import Request, Sampling, digest

from .chat_server import FAULTS, ChatServer, answer_to

SAMPLING = Sampling(temperature=0.6, top_p=0.9, max_new_tokens=32)


def render_prompt(prompt: str, seed: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"[Begin of audio] {seed} [End of audio] {prompt}"}]


def requests(count: int) -> list[Request]:
    return [Request(digest(number), f"sound {number}", "Replay the audio.", number + 1) for number in range(count)]


def engine(url: str, sampling: Sampling = SAMPLING, **options) -> OpenAIEngine:
    return OpenAIEngine(url, sampling, render_prompt, **{"concurrency": 16, "timeout": 5.0, **options})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(openai_engine, "FIRST_DELAY", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def collect(engine, windows) -> dict[str, str]:
    responses = [response for batch in engine.generate(windows) for response in batch]
    assert len({response.key for response in responses}) == len(responses)
    return {response.key: response.response for response in responses}


def expected(request: Request) -> str:
    return answer_to({"messages": render_prompt(request.prompt, request.seed), "seed": request.engine_seed})


def test_every_request_of_every_window_is_answered():
    with ChatServer() as server:
        asked = requests(150)
        found = collect(engine(server.url), [asked[:100], [], asked[100:]])
        assert found == {request.key: expected(request) for request in asked}
        body = server.bodies[0]
    assert body["model"] == "tiny"
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.6, 0.9, 32)


def test_requests_are_in_flight_together():
    with ChatServer(delay=0.2) as server:
        started = time.monotonic()
        collect(engine(server.url, concurrency=20), [requests(40)])
    assert time.monotonic() - started < 40 * 0.2 / 4


def test_every_fault_is_survived_and_every_response_arrives_once():
    generator = random.Random(0)
    with ChatServer(fault=lambda body, times: generator.choice(FAULTS) if times < 4 else "ok") as server:
        asked = requests(200)
        found = collect(engine(server.url), [asked])
        assert found == {request.key: expected(request) for request in asked}
        assert {fault for _, fault in server.arrivals} == set(FAULTS)
        assert set(server.answered.values()) == {1}


def test_an_answer_that_does_not_come_is_asked_for_again():
    with ChatServer(fault=lambda body, times: "slow" if times == 0 else "ok") as server:
        found = collect(engine(server.url, timeout=0.15), [requests(3)])
        assert len(found) == 3
        assert len(server.arrivals) == 6


def test_retry_after_holds_all_requests_back():
    first = iter([True])
    with ChatServer(fault=lambda body, times: "rate_limit" if next(first, False) else "ok", retry_after="1") as server:
        collect(engine(server.url, concurrency=1), [requests(3)])
        times = [when for when, _ in server.arrivals]
    assert times[1] - times[0] >= 1
    assert times[-1] - times[1] < 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "-3"}, 0),
        ({"x-ratelimit-reset-requests": "120ms", "x-ratelimit-reset-tokens": "1m2s"}, 62),
    ],
)
def test_retry_after_is_read(headers, seconds):
    assert retry_after(headers) == pytest.approx(seconds)


def test_retry_after_may_be_a_date():
    assert 25 < retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)}) <= 30


def test_a_refused_request_is_counted_and_the_others_go_on():
    with ChatServer(fault=lambda body, times: "413" if "sound 7 " in json.dumps(body) else "ok") as server:
        found = []
        with pytest.raises(EngineError, match="29 requests were answered and kept, 1 failed; run the same command"):
            for batch in engine(server.url, concurrency=4).generate([requests(30)]):
                found += batch
        assert len(found) == 29
        assert len(server.arrivals) == 30


def test_a_server_that_stays_away_ends_the_run_early():
    with ChatServer(fault=lambda body, times: "server_error") as server:
        client = engine(server.url, concurrency=4, retries=2)
        with pytest.raises(EngineError, match=r"4 requests in a row failed.*InternalServerError.* 0 requests"):
            list(client.generate([requests(100)]))
        assert len(server.arrivals) <= 3 * (4 + 3)


def test_no_server_names_the_url():
    with ChatServer() as server:
        url = server.url
    with pytest.raises(EngineError, match=rf"cannot ask {url}.*is the server running"):
        engine(url)
    with pytest.raises(EngineError, match="0 requests were answered and kept, 3 failed"):
        list(engine(f"{url}#tiny", retries=1).generate([requests(3)]))


@pytest.mark.parametrize(("status", "remedy"), [("401", "OPENAI_API_KEY is not set"), ("404", "mostly ends in /v1")])
def test_what_cannot_pass_ends_the_run_at_once(status, remedy):
    with ChatServer(fault=lambda body, times: status) as server:
        with pytest.raises(EngineError, match=remedy):
            list(engine(server.url, concurrency=2).generate([requests(50)]))
        assert len(server.arrivals) <= 4


def test_a_rejected_key_is_told_from_a_missing_one(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    with ChatServer(fault=lambda body, times: "403") as server:
        with pytest.raises(EngineError, match="holds a key that it does not take") as error:
            list(engine(server.url).generate([requests(1)]))
        assert server.authorizations == {"Bearer secret-key"}
    assert "secret-key" not in str(error.value)


def test_a_server_that_takes_no_seed_is_asked_without():
    with ChatServer(fault=lambda body, times: "400" if "seed" in body else "ok") as server:
        assert len(collect(engine(server.url), [requests(20)])) == 20
        assert "seed" not in server.bodies[-1]


def test_finding_out_that_a_server_takes_no_seed_is_no_attempt():
    with ChatServer(fault=lambda body, times: "400" if "seed" in body else "ok") as server:
        assert len(collect(engine(server.url, retries=0), [requests(20)])) == 20


def test_greedy_sends_no_nucleus_and_no_seed():
    with ChatServer() as server:
        collect(engine(server.url, Sampling(temperature=0)), [requests(1)])
        assert server.bodies[0]["temperature"] == 0
        assert not {"top_p", "seed"} & set(server.bodies[0])


def test_the_model_is_named_where_there_are_several():
    with ChatServer() as server:
        server.models = ["one", "two"]
        with pytest.raises(EngineError, match=r"serves one, two: name one as .*#MODEL"):
            engine(server.url)
        client = engine(f"{server.url}#two")
        collect(client, [requests(1)])
        assert client.name == server.bodies[0]["model"] == "two"


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "http://", "https://me:secret@host/v1"])
def test_unusable_urls(url):
    with pytest.raises(ValueError, match=r"no URL|put keys into OPENAI_API_KEY") as error:
        engine(url)
    assert "secret" not in str(error.value)
