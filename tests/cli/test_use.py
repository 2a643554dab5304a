"""`ostinato sample`, `evaluate` and `info` on a trained run."""

import json

import pytest

from ostinato.train import Run
from small_model import SMALL


def test_sample_repeats_by_its_seed_streamed_or_not(ostinato, trained) -> None:
    call = ("sample", trained, "--prompt", "the c", "--length", 40, "--seed", 1)
    streamed = ostinato(*call, "--stream")
    assert streamed.code == 0
    assert streamed.out.startswith("the c")
    assert streamed.out == ostinato(*call, "--no-stream").out == ostinato(*call).out
    assert streamed.out != ostinato(*call[:-1], 2).out
    assert streamed.err == ""


def test_greedy_needs_no_seed(ostinato, trained) -> None:
    call = ("sample", trained, "--temperature", 0, "--length", 30)
    assert ostinato(*call).out == ostinato(*call).out
    assert ostinato(*call).out == ostinato(*call, "--temperature", 5, "--top-k", 1).out


def test_unknown_characters_of_a_prompt_are_said(ostinato, trained) -> None:
    done = ostinato("sample", trained, "--prompt", "the Ж catЖ!", "--length", 5)
    assert done.code == 0
    assert done.out.startswith("the Ж catЖ!")
    assert done.err == "note: 2 in the prompt not known to the model, read as <unk>: 'Ж', '!'\n"


@pytest.mark.parametrize("flags", [("--temperature", -1), ("--top-p", 2), ("--length", -5)])
def test_wrong_choices_are_refused(ostinato, trained, flags) -> None:
    done = ostinato("sample", trained, *flags)
    assert done.code == 1
    assert done.err.startswith(f"error: {flags[0]}: wanted a number of at least 0")


def test_the_likeliest_next_tokens(ostinato, trained) -> None:
    done = ostinato("sample", trained, "--prompt", "the Ж", "--next", 3)
    head, *rows = done.out.splitlines()
    assert head.split() == ["next", "probability"]
    assert len(rows) == 3
    shares = [float(row.split()[-1]) for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert done.err.startswith("note: 1 in the prompt not known")
    refused = ostinato("sample", trained, "--next", 3, "--temperature", 0.5)
    assert refused.code == 1
    assert "--temperature: wanted either --next, which draws nothing" in refused.err


def test_several_documents(ostinato, trained) -> None:
    call = ("sample", trained, "--prompt", "the c", "--length", 20, "--seed", 1)
    assert ostinato(*call, "--documents", 3).out.count("the c") >= 3


def test_a_model_of_both_directions_is_measured_and_not_sampled(ostinato, folder) -> None:
    call = ("train", "text", "verse.txt", *SMALL, "--steps", 8, "--direction", "both")
    done = ostinato(*call)
    assert done.code == 0, done.err
    assert "lstm 1 x 8" in done.out
    assert "read from both sides" in done.out
    assert "held-out pseudo_perplexity" in done.out
    assert "held out:\n" in done.out
    assert "bits per character" not in done.out
    assert "To go on:\n  ostinato evaluate runs/text-001" in done.out
    run = Run(folder / "runs" / "text-001")
    found, result = json.loads(ostinato("evaluate", run.folder, "--json").out), run.read_result()
    assert result is not None
    assert found == {name: result[name] for name in found}
    assert set(found) == {"loss", "pseudo_perplexity", "tokens", "characters"}
    said = ostinato("evaluate", run.folder, "verse.txt")
    assert said.out.startswith("pseudo-perplexity ")
    assert "not comparable with perplexities" in said.out
    refused = ostinato("sample", run.folder)
    assert refused.code == 1
    assert "got one of both directions, which has to know what comes after it" in refused.err
    assert "backward:" in ostinato("explain", run.folder).out
    assert "task bidirectional" in ostinato("info", run.folder).out


def test_evaluate_the_held_out_text_gives_the_result_of_the_run(ostinato, trained) -> None:
    found = json.loads(ostinato("evaluate", trained, "--json").out)
    result = Run(trained).read_result()
    assert result is not None
    assert found == {name: result[name] for name in found}


def test_evaluate_files(ostinato, trained, folder) -> None:
    (folder / "held.txt").write_text("the cat sat on the log.\n" * 3 + "ЖЖ")
    done = ostinato("evaluate", trained, "held.txt")
    assert "75 tokens, 74 characters" in done.out
    assert done.err == "note: 2 of 76 tokens are not known and read as <unk>\n"
    one = json.loads(ostinato("evaluate", trained, "held.txt", "--json").out)
    many = json.loads(ostinato("evaluate", trained, "held.txt", "--json", "--columns", 5).out)
    assert many == pytest.approx(one)


def test_evaluate_suggests_the_near_file(ostinato, trained) -> None:
    assert "Did you mean verse.txt?" in ostinato("evaluate", trained, "vers.txt").err


def test_info(ostinato, trained) -> None:
    said = " ".join(ostinato("info", trained).out.split())
    for wanted in (
        "source verse.txt",
        "lstm 1 x 8",
        "step 12 of 12",
        "best held-out loss",
        "result loss",
        "train settings epochs",
        "step-00000012.safetensors, step-00000010.safetensors",
    ):
        assert wanted in said
