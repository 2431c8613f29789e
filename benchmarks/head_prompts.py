"""Prompts of many kinds, for a head to be trained on: what a small assistant is asked.

    python -m benchmarks.head_prompts --out prompts.jsonl --count 3200
    anyorder train-head prompts.jsonl --model smollm2 --out my-head
    python -m benchmarks.spec_bench --head my-head --out results/head-smollm2.json

Questions and stories are made of lists below. Passages are sentences of LibreOffice's help in
English and German (MPL-2.0, fetched), docstrings of this Python, and the text of `--passages`, left
out: the Book of Ruth. The head of `results/head-smollm2.json` learnt after prompts of an earlier
form of this file, whose passages were verses of the whole World English Bible (public domain).
Prompts of `benchmarks/texts/spec_bench.jsonl` and `examples/prompts.jsonl` are left out: on these a
head is measured.
"""

import argparse
import importlib
import inspect
import json
import random
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from anyorder.data.translate import Translate

RUTH = Path(__file__).parent / "texts" / "ruth.txt"


def _split(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("|")]


THINGS = _split("""
a lighthouse | an old bakery | a lost dog | a mountain village | a train journey | a broken
clock | a library at night | a garden in winter | a fishing boat | a small robot | a painter |
two sisters | a school play | a storm at sea | a forgotten key | a market square | a young
violinist | a desert caravan | a space station | a beekeeper | a hidden cave | an empty hotel |
a postman | a chess game | a river ferry | a glass blower | an apple tree | a dragon | a king
without a crown | a scientist in Antarctica | a bicycle race | a haunted house | a taxi driver |
a wedding | a cat that can talk | a shipwreck | the first snow | an astronaut | a blacksmith | a
detective | a talking parrot | a bridge builder | a nurse | a farmer and his son | a secret
recipe | a museum guard | a football match | a circus | a map of an island | a wolf
""")
TOPICS = _split("""
photosynthesis | gravity | the water cycle | the French Revolution | the Roman Empire | black
holes | vaccines | the stock market | inflation | democracy | climate change | renewable energy
| electric cars | the human heart | sleep | meditation | healthy eating | strength training |
machine learning | neural networks | databases | operating systems | the internet | public-key
encryption | blockchain | Python | JavaScript | recursion | sorting algorithms | binary search |
hash tables | probability | statistics | linear algebra | calculus | prime numbers | the
Pythagorean theorem | Shakespeare | the Renaissance | impressionism | jazz | classical music |
the piano | photography | gardening | beekeeping | bread baking | coffee | tea | chocolate |
cheese | wine | the history of writing | the printing press | steam engines | aviation | space
travel | the Moon landing | Mars | volcanoes | earthquakes | oceans | coral reefs | rainforests
| deserts | whales | elephants | bees | dogs | cats | birds | dinosaurs | evolution | DNA |
bacteria | viruses | the immune system | diabetes | stress | time management | job interviews |
public speaking | learning a language | writing an essay | teaching children | saving money |
investing | taxes | insurance | marketing | leadership | teamwork | remote work | starting a
business | customer service | project management | negotiation | ethics | philosophy | Plato |
psychology | memory | happiness | friendship | travel in Japan | travel in Italy | New York |
London | Paris | Berlin | India | China | Brazil | Egypt | the Sahara | the Amazon | Mount
Everest | the Olympic Games | football | tennis | swimming | chess | video games | movies |
theatre | dance | fashion | architecture | bridges | recycling | water supply | agriculture |
supply chains | shipping | railways | batteries | solar panels | nuclear power | semiconductors
| lasers | robots | 3D printing | drones | weather forecasting | astronomy | telescopes | the
periodic table | acids and bases | metals | plastics | paper | glass | wood | cotton | silk |
maps | clocks | calendars | money | law | courts | elections | the United Nations | human rights
| education | universities | libraries | museums | newspapers | radio | television | social
media | privacy | cyber security | open source software | testing software | version control |
web design | spreadsheets | email
""")
PEOPLE = _split("""
my boss | a friend | a customer | my landlord | a teacher | my neighbour | a colleague | the
city council | a job applicant | my grandmother | a supplier | the editor of a newspaper
""")
CODE = _split("""
reverse a string | check whether a number is prime | compute the factorial of a number | find
the largest element of a list | sort a list of words by length | count the words in a file |
merge two dictionaries | remove duplicates from a list | compute Fibonacci numbers | read a CSV
file | parse a date | compute the average of numbers | check for a palindrome | find the common
elements of two lists | flatten a nested list | convert Celsius to Fahrenheit | compute the
greatest common divisor | transpose a matrix | generate a random password | count vowels |
download a web page | make a simple calculator | rotate a list | find all files with an
extension | group words by their first letter | compute the area of a circle | implement a stack
| implement a queue | binary search in a sorted list | bubble sort | a class for a bank account
| a class for a point in the plane | print a multiplication table | write a JSON file | validate
an email address | find anagrams | compute a moving average | split a list into chunks |
compress a string with run lengths | play rock, paper, scissors
""")
NAMES = _split("""
Anna | Ben | Clara | David | Emma | Felix | Grace | Henry | Ida | Jonas | Kate | Leo | Maria |
Nora | Oscar | Paul | Rosa | Sam | Tina | Victor
""")
ASK = (
    "Explain {} to a ten-year-old.",
    "What is {}?",
    "Why does {} matter?",
    "Give me five facts about {}.",
    "Write an introduction to an article about {}.",
    "List the advantages and disadvantages of {}.",
    "How did {} change over time?",
    "Write a short essay about {}.",
    "What are common mistakes people make with {}?",
    "Give me tips on {}.",
    "Tell me about {}.",
    "What should a beginner know about {}?",
    "Compare {} and {}.",
    "Write a quiz with three questions about {}, with answers.",
    "Write a paragraph about {} in simple words.",
    "How does {} work?",
    "Who should care about {}, and why?",
    "Describe the future of {}.",
    "Write a poem about {}.",
    "Make an outline for a talk about {}.",
    "What is the history of {}?",
    "Write a dialogue between a teacher and a student about {}.",
    "Summarize what is known about {}.",
    "Write ten keywords for {}.",
    "How are {} and {} related?",
)
TELL = (
    "Write a short story about {}.",
    "Write a poem about {}.",
    "Describe {} in a few sentences.",
    "Write the beginning of a novel about {}.",
    "Continue this story: There once was {}",
    "Write a story in which {} meets {}.",
    "Write a children's story about {}.",
    "Write a haiku about {}.",
    "Invent a dialogue about {}.",
    "Write a diary entry about {}.",
    "Once upon a time there was {}",
)
MAIL = (
    "Write an email to {} about {}.",
    "Write a polite letter to {}, asking for information on {}.",
    "Draft a short note that thanks {} for help with {}.",
)
CODING = (
    "Write a Python function to {}.",
    "Write a program in JavaScript: {}.",
    "Show me Python code to {}, with comments.",
    "How do I {} in Python?",
    "Write a C function to {}.",
    "Write a test for a function to {}.",
)
MATH = (
    "{A} has {x} apples. {A} gives {y} to {B} and buys {z} more. How many apples has {A} now?",
    "A train travels {x} miles in {y} hours. How far does it come in {z} hours at this speed?",
    "Pens cost {y} dollars each. {A} buys {z} and pays with {x} dollars. How much is the change?",
    "{A} reads {y} pages a day. How many days does {A} need for a book of {x} pages?",
    "There are {x} students in {y} classes of equal size. How many students are in {z} classes?",
    "What is {x} + {y} * {z}?",
    "A rectangle is {y} cm wide and {z} cm long. What are its area and its perimeter?",
    "{A} earns {x} dollars a week and spends {y} a day. How much does {A} save in {z} weeks?",
    "Solve for x: {y}x + {z} = {x}.",
    "{A} is {z} years older than {B}, who is {y}. How old will {A} be in {x} years?",
)

CLOSED = {"antigravity", "this", "idlelib", "turtledemo", "lib2to3"}  # to import them does things


@dataclass(frozen=True)
class Sources:
    """Where passages come from."""

    english: Sequence[str]
    german: Sequence[str]
    docs: Sequence[tuple[str, str, str]]  # module, name, docstring
    passages: Sequence[str]


def prompts(count: int, sources: Sources, seed: int = 0) -> list[str]:
    """So many different ones."""
    rng, found, measured = random.Random(seed), dict[str, None](), _measured()
    kinds, shares = zip(*KINDS, strict=True)
    while len(found) < count:
        prompt = rng.choices(kinds, shares)[0](rng, sources)
        if prompt not in measured:
            found[prompt] = None
    return list(found)


def _measured() -> set[str]:
    """Prompts on which a head is measured."""
    root = Path(__file__).parents[1]
    asked = (root / "benchmarks" / "texts" / "spec_bench.jsonl").read_text().splitlines()
    shown = (root / "examples" / "prompts.jsonl").read_text().splitlines()
    turns = {turn for line in asked for turn in json.loads(line)["turns"]}
    return turns | {json.loads(line)["prompt"] for line in shown}


def _passage(rng: random.Random, texts: Sequence[str], sentences: int) -> str:
    begin = rng.randrange(max(1, len(texts) - sentences))
    return " ".join(texts[begin : begin + sentences])[:1200]


def _filled(rng: random.Random, templates: Sequence[str], things: Sequence[str]) -> str:
    template = rng.choice(templates)
    return template.format(*rng.sample(things, template.count("{}")))


def _mail(rng: random.Random, _: Sources) -> str:
    return rng.choice(MAIL).format(rng.choice(PEOPLE), rng.choice(TOPICS))


def _sum(rng: random.Random, _: Sources) -> str:
    (A, B), y, z = rng.sample(NAMES, 2), rng.randint(2, 12), rng.randint(2, 15)
    return rng.choice(MATH).format(A=A, B=B, x=rng.randint(2, 20) * y + z, y=y, z=z)


def _summary(rng: random.Random, s: Sources) -> str:
    ask = rng.choice(
        ["Summarize: ", "Summarize the following text in one sentence.\n\n", "What does this say? "]
    )
    return ask + _passage(rng, rng.choice([s.passages, s.english]), 5)


def _translation(rng: random.Random, s: Sources) -> str:
    if rng.random() < 0.3:
        return "Translate into German: " + _passage(rng, s.english, 1)
    ask = rng.choice(["Translate German to English: ", "Translate into English.\n\n"])
    return ask + _passage(rng, s.german, 2)


def _docs(rng: random.Random, s: Sources) -> str:
    module, name, text = rng.choice(s.docs)
    return rng.choice(
        [
            f"Explain what this does:\n\n{name}: {text}",
            f"Write a Python function with this docstring:\n\n{text}",
            f"What is `{module}.{name}` in Python for?",
            f"Reference:\n\n{text}\n\nQuestion: what does {name} return?",
        ]
    )


def _edit(rng: random.Random, s: Sources) -> str:
    ask = rng.choice(
        ["Repeat this text, with mistakes fixed.\n\n", "Rewrite in modern English: ", "Correct: "]
    )
    return ask + _passage(rng, s.passages, 2)


def _reading(rng: random.Random, s: Sources) -> str:
    text = _passage(rng, s.passages, 5)
    return (
        f"Read this text and answer the question.\n\n{text}\n\nQuestion: Who speaks, and to whom?"
    )


KINDS: tuple[tuple[Callable[[random.Random, Sources], str], float], ...] = (
    (lambda rng, _: _filled(rng, ASK, TOPICS), 0.30),
    (lambda rng, _: _filled(rng, TELL, THINGS), 0.12),
    (_mail, 0.04),
    (lambda rng, _: _filled(rng, CODING, CODE), 0.09),
    (_sum, 0.08),
    (_summary, 0.12),
    (_translation, 0.08),
    (_docs, 0.08),
    (_edit, 0.05),
    (_reading, 0.04),
)


def docstrings() -> list[tuple[str, str, str]]:
    """Of the standard library: module, name, text."""
    found: set[tuple[str, str, str]] = set()
    for name in sorted(sys.stdlib_module_names - CLOSED):
        if name.startswith("_"):
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                module = importlib.import_module(name)
        except (ImportError, OSError, SystemExit):
            continue
        for each, value in vars(module).items():
            if inspect.isroutine(value) or inspect.isclass(value):
                text = inspect.getdoc(value)
                if text and 150 < len(text) < 900:
                    found.add((name, each, text))
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("prompts.jsonl"))
    parser.add_argument("--count", type=int, default=3200)
    parser.add_argument("--passages", type=Path, default=RUTH, help="a text, a sentence a line")
    options = parser.parse_args()
    pairs = Translate("de").splits().train
    passages = [line for line in options.passages.read_text().splitlines() if line.strip()]
    sources = Sources(
        [pair.source for pair in pairs], [pair.targets[0] for pair in pairs], docstrings(), passages
    )
    lines = [json.dumps({"prompt": text}) for text in prompts(options.count, sources)]
    options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
