"""Scraps: short lines that damage shows in, beside lists, verses, code and names, which are none."""

import pytest

from holdfast.judge.scraps import why_scraps


@pytest.mark.parametrize(
    "response",
    [
        "nNANABIRL\n\niRL\n\niRL\n\n",
        "NAVIRDULUS\n\nnail\nnail\nnail\nnail\n",
        "channels\nevertheless\n\nariaAzina\n\nevertheless",
        "i be\ni\n\nread\ni\n\ni\n\ni",
        "ariaa\nANA\n\niRLEVULLAIRi\n\n",
        "the araqisTAL\nand SIRIi",
        "conried\nhugging\nconried\nlamed\nconried",
    ],
)
def test_short_lines_with_two_signs_of_damage_are_scraps(response):
    assert why_scraps(response, "What is the capital of Spain?")


@pytest.mark.parametrize(
    "response",
    [
        "uno\ndos\ntres\ncuatro",
        "mRNA\ntRNA\nrRNA",
        "iPhone\niPad\nmacOS",
        "addEventListener\nremoveEventListener",
        "Ouagadougou\nBamako\nNiamey",
        "PDFs\nCPUs\nPDFs are big",
        "a\nb\nc",
        "Row, row your boat\nRow, row your boat\nGently down the stream",
        "Yes\nYes",
        "iRLEVULUS",
        "The nNANABIRL is a word that iRLEVULUS said\niRLEVULUS",
    ],
)
def test_lists_verses_names_code_and_foreign_words_are_no_scraps(response):
    assert why_scraps(response, "Name some.") is None


def test_words_of_the_prompt_are_known():
    response = "zuma\nzuma\nzuma"
    assert why_scraps(response, "Say it.")
    assert why_scraps(response, "Say zuma three times, please.") is None
