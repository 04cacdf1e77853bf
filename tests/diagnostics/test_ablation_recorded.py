"""Shares in an evaluation's row."""

import re
from pathlib import Path

import flatline
import pytest
from flatline.diagnostics.ablation import ablate
from flatline.diagnostics.ablation_infos import INFOS, infos_of
from flatline.diagnostics.errors import AttachError
from flatline.diagnostics.recorder import Recorder
from torch.optim import SGD


def test_an_evaluation_takes_what_ablate_gave_and_run_json_says_what_it_means(net, batch, log, train_step):
    optimizer = SGD(net.parameters(), 0.1)
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        train_step(net, optimizer, batch, recorder)
        found = ablate(net, [(batch.clips, batch.target)])
        row = recorder.evaluation(logits=net(batch.clips), target=batch.target, ablations=found)
        assert log.info["signals"]["ablation.rnn.gru.low"]["unit"] == "share"
        recorder.evaluation(logits=net(batch.clips), target=batch.target)
    assert row.items() >= {name: value for name, value in found.row().items() if value == value}.items()
    assert set(found.row()) <= set(log.evaluations[0])
    assert not set(found.row()) & set(log.evaluations[1])
    assert set(found.row()) <= set(log.info["signals"])
    assert "loss" in log.info["signals"]


def test_ablating_is_not_seen_by_a_recorder(net, batch, log, train_step):
    optimizer = SGD(net.parameters(), 0.1)
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        train_step(net, optimizer, batch)
        ablate(net, [(batch.clips[:3], batch.target[:3])])
        recorder.step(loss=0.5, logits=net(batch.clips), target=batch.target)
    plain = type(log)()
    assert len(log) == 1
    assert log.events == plain.events
    assert log[0]["attention_entropy"].shape == (4,)


def test_what_is_no_ablation_is_refused_before_anything_is_written(net, batch, log):
    with Recorder(net, SGD(net.parameters(), 0.1), log=log) as recorder:
        with pytest.raises(AttachError, match=r"holds 'loss' \(Recorder.evaluation, iteration 0\)"):
            recorder.evaluation(logits=net(batch.clips), target=batch.target, ablations={"loss": 1.0})
        assert not log.evaluations


def test_every_column_that_ablate_gives_has_a_meaning(net, batch):
    columns = ablate(net, [(batch.clips, batch.target)]).row()
    assert {info.name for info in infos_of(columns)} == set(columns)
    meanings = {info.name: info.meaning for info in infos_of(columns)}
    templates = {info.name: info.meaning for info in INFOS}
    assert meanings["ablation.frame_shuffle.rnn.gru"] == templates["ablation.frame_shuffle.rnn.<rnn>"]
    assert meanings["ablation.silence.band4"] == templates["ablation.silence.band<n>"]
    assert infos_of(["ablation.unheard.of", "lwlrap"]) == []


def test_the_example_in_the_docs_runs(net, batch, log, capsys):
    page = (Path(__file__).parent.parent.parent / "docs" / "signals.md").read_text(encoding="utf-8")
    code = next(code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "flatline.ablate" in code)
    with Recorder(net, SGD(net.parameters(), 0.1), log=log) as recorder:
        found = {"flatline": flatline, "model": net, "recorder": recorder, "prior": batch.target.mean(dim=0)}
        found |= {"validation_loader": [(batch.clips, batch.target)], "validation_target": batch.target}
        exec(code, found | {"validation_logits": net(batch.clips)})
    assert "ablation.rnn.gru" in log.evaluations[0]
    assert capsys.readouterr().out.startswith("score 0.")
