"""Public prompt sets by name: where each lies, its licence, and the columns to read.

holdfast ships none of their texts. Every file is pinned to a commit. It is also pinned to its SHA-256, unless one must
accept terms to get it. Some sets contain targets ("Sure, here is ..."). These are attacks, not answers, and holdfast
does not read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from holdfast.records import Kind


@dataclass(frozen=True)
class KnownSet:
    """A file, or the rows of one kind in it. Rows with a blank prompt are left out."""

    name: str
    kind: Kind
    prompts: int
    """Number of prompts: counted in the file if its hash is known, else as stated by its authors."""
    host: Literal["hub", "github"]
    """A dataset on the Hugging Face hub, or a repository on GitHub."""
    repository: str
    revision: str
    """The pinned commit."""
    file: str
    columns: Mapping[str, str]
    """Columns by field: prompt (unless a template makes it), and group and answer if the set has them."""
    licence: str
    paper: str
    sha256: str | None = None
    """SHA-256 of the file."""
    where: tuple[str, str] | None = None
    """A column, and the value that it has in the rows of this set."""
    gated: bool = False
    """True if a user must accept its terms first."""
    template: str | None = None
    """A template that makes the prompt out of several columns, whose names stand in braces."""
    labels: tuple[str, ...] = ()
    """Answers that the numbers in the column of answers stand for, from 0 on."""
    use: Literal["training", "evaluation"] | None = None
    """The purpose for which its authors made this part of their data. None if they did not split it."""

    @property
    def page(self) -> str:
        """Web page that describes the set and where a user accepts its terms."""
        host = "https://huggingface.co/datasets" if self.host == "hub" else "https://github.com"
        return f"{host}/{self.repository}"

    @property
    def url(self) -> str:
        """Address of the file."""
        if self.host == "hub":
            return f"{self.page}/resolve/{self.revision}/{self.file}"
        return f"https://raw.githubusercontent.com/{self.repository}/{self.revision}/{self.file}"


_JAILBREAKBENCH = KnownSet(
    name="jailbreakbench",
    kind="harmful",
    prompts=100,
    host="hub",
    repository="JailbreakBench/JBB-Behaviors",
    revision="886acc352a31533ffbcf4ef22c744658688086fc",
    file="data/harmful-behaviors.csv",
    columns={"prompt": "Goal", "group": "Category"},
    licence="MIT",
    paper="Chao et al. 2024, arXiv 2404.01318",
    sha256="4a8ec6832056b631eb092dccc60d37a61c3d441268268888b3d006288afeffa1",
)
_XSTEST = KnownSet(
    name="xstest",
    kind="borderline",
    prompts=250,
    host="github",
    repository="paul-rottger/xstest",
    revision="d7bb5bd738c1fcbc36edd83d5e7d1b71a3e2d84d",
    file="xstest_prompts.csv",
    columns={"prompt": "prompt", "group": "type"},
    licence="CC BY 4.0",
    paper="Röttger et al. 2023, arXiv 2308.01263",
    sha256="11783fb294ed017473ee53c207d71f2161c7672c8d0b037501e78387f801cb5a",
    where=("label", "safe"),
)
_ORBENCH = KnownSet(
    name="orbench",
    kind="borderline",
    prompts=1319,
    host="hub",
    repository="bench-llm/or-bench",
    revision="e36d8b80e81837c8a8f264bbb2a49f1b32c7e272",
    file="or-bench-hard-1k.csv",
    columns={"prompt": "prompt", "group": "category"},
    licence="CC BY 4.0",
    paper="Cui et al. 2024, arXiv 2405.20947",
    sha256="a6e2f1166416efe5901f3bb05c47dc92ab3aca3acfe143693d38b8057d841e6d",
)
_WILDJAILBREAK = KnownSet(
    name="wildjailbreak",
    kind="harmful",
    prompts=2000,
    host="hub",
    repository="allenai/wildjailbreak",
    revision="5ddc12a7894f842b0619b8e1c7ee496b198af009",
    file="eval/eval.tsv",
    columns={"prompt": "adversarial"},
    licence="ODC-BY, and AI2's guidelines",
    paper="Jiang et al. 2024, arXiv 2406.18510",
    where=("data_type", "adversarial_harmful"),
    gated=True,
    use="evaluation",
)
_VANILLA = replace(
    _WILDJAILBREAK,
    name="wildjailbreak_vanilla",
    prompts=50050,
    file="train/train.tsv",
    columns={"prompt": "vanilla", "answer": "completion"},
    where=("data_type", "vanilla_harmful"),
    use="training",
)

_GSM8K = KnownSet(
    name="gsm8k_train",
    kind="task",
    prompts=7473,
    host="github",
    repository="openai/grade-school-math",
    revision="3101c7d5072418e28b9008a6636bde82a006892c",
    file="grade_school_math/data/train.jsonl",
    columns={"prompt": "question", "answer": "answer"},
    licence="MIT",
    paper="Cobbe et al. 2021, arXiv 2110.14168",
    sha256="17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465",
    use="training",
)
_AG_NEWS = KnownSet(
    name="ag_news_train",
    kind="task",
    prompts=120000,
    host="hub",
    repository="fancyzhx/ag_news",
    revision="eb185aade064a813bc0b7f42de02595523103ca4",
    file="data/train-00000-of-00001.parquet",
    columns={"answer": "label"},
    licence="not stated; research use",
    paper="Zhang et al. 2015, arXiv 1509.01626",
    sha256="fc508d6d9868594e3da960a8cfeb63ab5a4746598b93428c224397080c1f52ee",
    template="Which topic is this of: World, Sports, Business or Sci/Tech? Answer with the topic alone.\n\n{text}",
    labels=("World", "Sports", "Business", "Sci/Tech"),
    use="training",
)
_MEDMCQA = KnownSet(
    name="medmcqa_train",
    kind="task",
    prompts=182822,
    host="hub",
    repository="openlifescienceai/medmcqa",
    revision="91c6572c454088bf71b679ad90aa8dffcd0d5868",
    file="data/train-00000-of-00001.parquet",
    columns={"group": "subject_name", "answer": "cop"},
    licence="MIT, on the hub Apache-2.0",
    paper="Pal et al. 2022, arXiv 2203.14371",
    sha256="b119434ba551517a6ec0ba1f7e0b4c029165ed284a4704f262ce37c791c493c5",
    template="{question}\n\nA. {opa}\nB. {opb}\nC. {opc}\nD. {opd}\n\nAnswer with the letter alone.",
    labels=("A", "B", "C", "D"),
    use="training",
)

_SETS = (
    KnownSet(
        name="harmbench",
        kind="harmful",
        prompts=200,
        host="github",
        repository="centerforaisafety/HarmBench",
        revision="8e1604d1171fe8a48d8febecd22f600e462bdcdd",
        file="data/behavior_datasets/harmbench_behaviors_text_all.csv",
        columns={"prompt": "Behavior", "group": "SemanticCategory"},
        licence="MIT",
        paper="Mazeika et al. 2024, arXiv 2402.04249",
        sha256="8d81accedd38eaaf8b760618622bb888417d1fd0c86eba65c427a16f1cbb4afc",
        where=("FunctionalCategory", "standard"),  # the others need a context, or are judged by hashes of books
    ),
    KnownSet(
        name="advbench",
        kind="harmful",
        prompts=520,
        host="github",
        repository="llm-attacks/llm-attacks",
        revision="098262edf85f807224e70ecd87b9d83716bf6b73",
        file="data/advbench/harmful_behaviors.csv",
        columns={"prompt": "goal"},
        licence="MIT",
        paper="Zou et al. 2023, arXiv 2307.15043",
        sha256="6cd1a5c63c07610d7eb67307772ee5606017ee950b5770ab288a2c487489d3e1",
    ),
    _JAILBREAKBENCH,
    replace(
        _JAILBREAKBENCH,
        name="jailbreakbench_benign",
        kind="borderline",
        file="data/benign-behaviors.csv",
        sha256="3cda234d21a991fa309bbfea4b6d9dae31ccdf8e9d452424b6a983e4fdc33468",
    ),
    KnownSet(
        name="strongreject",
        kind="harmful",
        prompts=313,
        host="github",
        repository="alexandrasouly/strongreject",
        revision="f7cad6c17e624e21d8df2278e918ae1dddb4cb56",
        file="strongreject_dataset/strongreject_dataset.csv",
        columns={"prompt": "forbidden_prompt", "group": "category"},
        licence="MIT",
        paper="Souly et al. 2024, arXiv 2402.10260",
        sha256="4dd70357e4ff8b5d0ba5ebafecab5d6dd5633ce8046e3dd1c8bd93e64de44381",
    ),
    _WILDJAILBREAK,
    replace(
        _WILDJAILBREAK,
        name="wildjailbreak_benign",
        kind="borderline",
        prompts=210,
        where=("data_type", "adversarial_benign"),
    ),
    _VANILLA,
    replace(_VANILLA, name="wildjailbreak_vanilla_benign", kind="borderline", where=("data_type", "vanilla_benign")),
    _XSTEST,
    replace(_XSTEST, name="xstest_unsafe", kind="harmful", prompts=200, where=("label", "unsafe")),
    _ORBENCH,
    replace(
        _ORBENCH,
        name="orbench_toxic",
        kind="harmful",
        prompts=655,
        file="or-bench-toxic.csv",
        sha256="3be45901faae3b4b2b51bf7f8a2784c1650a1cc8c631dbc8b171d5312d4e0057",
    ),
    KnownSet(
        name="sorrybench",
        kind="harmful",
        prompts=440,
        host="hub",
        repository="sorry-bench/sorry-bench-202503",
        revision="612a4e1f45db8adf884fa62318ddf9fa1c6e75e9",
        file="question.jsonl",
        columns={"prompt": "turns", "group": "category"},
        licence="its own, no redistribution",
        paper="Xie et al. 2024, arXiv 2406.14598",
        gated=True,
    ),
    _GSM8K,
    replace(
        _GSM8K,
        name="gsm8k_test",
        prompts=1319,
        file="grade_school_math/data/test.jsonl",
        sha256="3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14",
        use="evaluation",
    ),
    _AG_NEWS,
    replace(
        _AG_NEWS,
        name="ag_news_test",
        prompts=7600,
        file="data/test-00000-of-00001.parquet",
        sha256="71de87ec66bc5737752a2502204dfa6d7fe9856ade3ea444dc6317789a4f13fb",
        use="evaluation",
    ),
    _MEDMCQA,
    replace(
        _MEDMCQA,
        name="medmcqa_validation",
        prompts=4183,
        file="data/validation-00000-of-00001.parquet",
        sha256="b768a1ea34afc9f80d3106d9b21f80fa8a00ec450a1f6cd641af72ca9e591021",
        use="evaluation",
    ),
)
KNOWN: Mapping[str, KnownSet] = {known.name: known for known in _SETS}
"""All sets by name, in the order of `holdfast prompts list`."""
USES: Mapping[str, str] = {known.name: known.use for known in _SETS if known.use}
"""Sets that are part of a larger data set: their purpose, by name."""
