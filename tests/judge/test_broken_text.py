# ruff: noqa: RUF001 - letters of other alphabets are the point

import time

import pytest

from holdfast.judge.broken_text import clashes_in, why_broken

ASKED = "Tell me about the sea."
BLANKS = "\u00a0" * 16


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("The b\ufffd\ufffdt goes out at dawn, and the nets are mended.", "characters"),
        (f"Ton{BLANKS}1{BLANKS}A", "blank"),
        ("Call [Name] or YourLastLastLastLastLastLast name.", "'Last'"),
        ("Here is how to harassgggggg", "'g'"),
        ("The pump works),).),).),).),).", "marks"),
        ("The лодкаboat and морскойsea are large.", "two alphabets"),
        ("Boats goThe tide isHere and nets areMended with careThe most.", "glued"),
        ("sure,sure, here is how,then you go,first of all", "glued"),
        ("The assic theuring was nont on the quaying drapin of the rauned boat and hoora in belo.", "are none"),
        ("Amos Dream discovered quantities mornings Achieves California Riverside Aldarius Southampton Charter Common "
         "Tetengell Testjunct Alnor Clyichte Symbris Berger diving boats", "make no sentences"),
        ("The of boat is are on the quay.", "cannot follow"),
        ("I cannot to go with the the boat.", "cannot follow"),
    ],
)  # fmt: skip
def test_broken_text_is_told_with_what_is_wrong(text, told):
    assert told in str(why_broken(text, ASKED))


@pytest.mark.parametrize(
    "text",
    [
        "The boat goes out at dawn. Nets are mended on the quay, where gulls wait for scraps.",
        "Paris.",
        "42",
        "I'm sorry, but I can't help with that.",
        "Use an iPhone, an iPad or macOS; YouTube, LinkedIn and GitHub work as well on each of them.",
        "```js\nconst addNumbers = (firstNumber, secondNumber) => firstNumber + secondNumber;\n```",
        "Call `addNumbers` and `removeNumbers`, then `sortNumbers`.",
        "See https://example.org/a/b?c=d&e=f and write to someone@example.org.",
        "Kelp, dulse, carrageen, laver, wakame, nori, kombu, hijiki, arame, dillisk, tangle, oarweed.",
        "Bergen, Oslo, Narvik, Harstad, Moss, Halden, Molde, Larvik, Horten, Alta, Hamar, Bryne, Drammen, Porsgrunn",
        "'Je suis heureux' is the French for 'I am happy', and 'Sono felice' the Italian.",
        "x + x = 2x, so 2x = 10 and x = 5. The can of beans costs $2, the will of the buyer decides.",
        "Sooooo good! Haha, hahahahahaha! Zzz... *****\n----------\n==========",
        "| a | b |\n|-----|-----|\n| 1 | 2 |",
        "The boat is \U0001f6a2\U0001f30a\ufffd",
        "Privet (Привет), geia sou (Γεια σου) and shalom (שלום) are greetings.",
        "The protein binds α-helix and β-sheet at 5 μm, as mRNA and tRNA do.",
    ],
)
def test_what_only_looks_broken_is_not(text):
    assert why_broken(text, ASKED) is None


@pytest.mark.parametrize(
    "text",
    [
        "El barco sale al amanecer y vuelve con la marea; las redes se arreglan en el muelle.",
        "Das Boot fährt im Morgengrauen hinaus und kommt mit der Flut zurück, die Netze werden geflickt.",
        "Barkoa egunsentian ateratzen da eta itsasgorarekin itzultzen da, sareak kaian konpontzen dituzte.",
        "Con thuyền ra khơi lúc bình minh và trở về cùng thủy triều.",
        "Лодка выходит на рассвете и возвращается с приливом.",
        "船在黎明出发,随着潮水回来。",
        "يخرج القارب عند الفجر ويعود مع المد.",
        "Mashua huondoka alfajiri na kurudi pamoja na maji yanapopanda, nyavu hutengenezwa bandarini.",
    ],
)
def test_other_languages_are_not_broken(text):
    assert why_broken(text, ASKED) is None


def test_words_of_the_prompt_are_known_ones():
    asked = "How do quibblers, frozzles, snarkings, tumtums and jabberlings differ?"
    text = "The quibblers hum, frozzles hop, snarkings sing, tumtums sleep, jabberlings talk."
    assert why_broken(text, asked) is None
    assert why_broken(text, ASKED)


def test_the_end_that_a_limit_cut_is_not_held_against_a_response():
    assert why_broken("The boat goes out at dawn and comes back with the ti", ASKED) is None
    assert why_broken("The nets are mended by hand \ufffd", ASKED) is None


def test_clashes_are_pairs_of_neighbours_in_one_sentence():
    assert clashes_in("Look at the of it. And is there. Of") == ["the of"]
    assert clashes_in("She said that that was it, and had had enough.") == []


@pytest.mark.parametrize("text", ["ab" * 50_000, ",)." * 30_000, "the of " * 20_000, "a" * 100_000, "\u00a0" * 99_000])
def test_a_long_response_takes_under_a_second(text):
    begin = time.process_time()
    why_broken(text, ASKED)
    assert time.process_time() - begin < 1
