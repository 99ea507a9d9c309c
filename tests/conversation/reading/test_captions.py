from __future__ import annotations

from pathlib import Path

import av
import pytest

from tests.conversation.example import write_example
from voicebot.conversation.log import ConversationLog
from voicebot.conversation.reading.captions import LONGEST_CUE, cues, srt, webvtt
from voicebot.errors import LogError
from voicebot.events import ParticipantJoined, TranscriptFinal


def test_webvtt_of_a_live_log() -> None:
    text = webvtt(write_example(None))
    assert text.startswith(
        "WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.000\n<v Ann &amp; Co>what is tea</v>\n\n2\n"
    )
    assert "<v Bo>A drink.</v>" in text
    assert text.count("-->") == 5  # Bo's two sentences are two cues


def test_srt_of_a_folder(tmp_path: Path) -> None:
    write_example(tmp_path).close()
    blocks = srt(tmp_path).split("\n\n")
    assert blocks[0] == "1\n00:00:01,000 --> 00:00:02,000\nAnn & Co: what is tea"
    assert srt(tmp_path) == srt(write_example(None))


@pytest.mark.parametrize(("name", "export"), [("a.vtt", webvtt), ("a.srt", srt)])
def test_ffmpeg_reads_the_captions(tmp_path: Path, name: str, export: object) -> None:
    (tmp_path / name).write_text(export(write_example(None)))  # type: ignore[operator]
    with av.open(str(tmp_path / name)) as container:
        packets = [p for p in container.demux() if p.size]
    assert len(packets) == 5
    assert float(packets[0].pts * packets[0].time_base) == pytest.approx(1.0)


def test_long_text_is_cut_at_the_words_own_times() -> None:
    log = ConversationLog("c", None)
    said = " ".join(f"word{n}" for n in range(60))
    words = [{"text": w, "start": float(n), "end": n + 0.5} for n, w in enumerate(said.split())]
    log.emit(ParticipantJoined(participant_id="ann", name="Ann", kind="human"))
    log.emit(
        TranscriptFinal(participant_id="ann", utterance_id="u", text=said, words=words, start_t=0, end_t=59.5)
    )
    found = cues(log)
    assert " ".join(cue.text for cue in found) == said
    assert all(len(cue.text) <= LONGEST_CUE for cue in found)
    assert [cue.start for cue in found] == [float(cue.text.split()[0].removeprefix("word")) for cue in found]


def test_times_have_hours_and_markup_is_escaped() -> None:
    log = ConversationLog("c", None)
    log.emit(
        TranscriptFinal(
            participant_id="x", utterance_id="u", text="a <b> & --> c", start_t=3723.5, end_t=3725.0
        )
    )
    assert "01:02:03.500 --> 01:02:05.000\n<v x>a &lt;b&gt; &amp; --&gt; c</v>" in webvtt(log)


def test_a_folder_without_a_conversation_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"events\.jsonl"):
        srt(tmp_path)
