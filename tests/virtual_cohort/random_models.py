"""Random custom models: SBML documents of few variables that mix what SBML has."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

SYMBOLS = {"time": "time", "avogadro": "avogadro", "delay": "delay", "rateOf": "rateOf"}
OPERATORS = {
    ast.Add: "plus",
    ast.Sub: "minus",
    ast.USub: "minus",
    ast.Mult: "times",
    ast.Div: "divide",
    ast.Pow: "power",
    ast.Lt: "lt",
    ast.LtE: "leq",
    ast.Gt: "gt",
    ast.GtE: "geq",
    ast.And: "and",
    ast.Or: "or",
}
CALLS = {"exp": "exp", "ln": "ln", "floor": "floor", "sin": "sin", "Not": "not", "abs": "abs"}
CLASHES = [
    "time",
    "pi",
    "avogadro",
    "exponentiale",
    "true",
    "infinity",
    "inf",
    "nan",
    "NaN",
    "sin",
    "log",
    "exp",
    "delay",
    "piecewise",
    "reset",
    "simulate",
    "model",
    "integrator",
    "getValue",
    "setValue",
    "species",
    "compartment",
    "at",
    "after",
    "lambda",
    "init",
    "amt",
    "eigen",
    "rate",
    "init_S",
    "default",
    "end",
    "E",
    "e1",
    "I",
    "uniform",
    "J0_k",
    "J1_k",
    "stoich",
    "uec",
    "cc",
    "in",
    "is",
    "gamma",
    "sqrt",
    "root",
    "mod",
    "id",
    "conc",
    "resetAll",
    "None",
    "import",
    "notanumber",
    "t",
]
NAMES = [
    "S",
    "A",
    "B",
    "C",
    "F",
    "V",
    "W",
    "p",
    "q",
    "r",
    "z",
    "dose",
    "drive",
    "e",
    "cf",
    "n",
    "J0",
    "J1",
    "J2",
    "J3",
    "J4",
    "half",
    "twice",
    "k",
]


@dataclass(frozen=True)
class RandomModel:
    """A document, and what a test does with it."""

    sbml: str
    outcome: str
    inputs: tuple[str, ...] | None
    parameters: tuple[str, ...] | None
    stimulus: tuple[str, float, float] | None
    seed: int


def formula(text, ids):
    """Return a formula as MathML; names are translated by `ids`."""
    body = _node(ast.parse(text, mode="eval").body, ids)
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{body}</math>'


def _node(node, ids):
    if isinstance(node, ast.Constant):
        return f"<cn> {node.value!r} </cn>"
    if isinstance(node, ast.Name):
        return _symbol(node.id) if node.id in SYMBOLS else f"<ci> {ids.get(node.id, node.id)} </ci>"
    if isinstance(node, ast.UnaryOp):
        return _apply(f"<{OPERATORS[type(node.op)]}/>", [node.operand], ids)
    if isinstance(node, ast.BinOp):
        return _apply(f"<{OPERATORS[type(node.op)]}/>", [node.left, node.right], ids)
    if isinstance(node, ast.BoolOp):
        return _apply(f"<{OPERATORS[type(node.op)]}/>", node.values, ids)
    if isinstance(node, ast.Compare):
        return _apply(f"<{OPERATORS[type(node.ops[0])]}/>", [node.left, *node.comparators], ids)
    name = node.func.id
    if name == "piecewise":
        value, condition, other = (_node(each, ids) for each in node.args)
        return f"<piecewise><piece>{value}{condition}</piece><otherwise>{other}</otherwise></piecewise>"
    if name in CALLS:
        return _apply(f"<{CALLS[name]}/>", node.args, ids)
    return _apply(_symbol(name) if name in SYMBOLS else f"<ci> {ids.get(name, name)} </ci>", node.args, ids)


def _apply(head, arguments, ids):
    return f"<apply>{head}{''.join(_node(each, ids) for each in arguments)}</apply>"


def _symbol(name):
    url = f"http://www.sbml.org/sbml/symbols/{SYMBOLS[name]}"
    return f'<csymbol encoding="text" definitionURL="{url}"> {name} </csymbol>'


def of_level_2(body):
    """Return the lists of a model without what SBML has from level 3 on."""
    body = re.sub(r' (?:conversionFactor|persistent|initialValue)="[^"]*"', "", body)
    body = re.sub(r'(<speciesReference [^>]*) constant="[^"]*"', r"\1", body)
    body = re.sub(r"<priority>.*?</priority>", "", body)
    return body.replace("listOfLocalParameters", "listOfParameters").replace(
        "<localParameter ", "<parameter "
    )


class Writer:
    """Writes one random document; each list of SBML is a list of strings."""

    def __init__(self, rnd):
        self.rnd = rnd
        self.level, self.version = rnd.choice(((3, 1), (3, 1), (3, 2), (2, 4)))
        self.ids = {name: name for name in NAMES}
        for name in rnd.sample(NAMES, rnd.choice((0, 0, 0, 1, 2, 4))):
            self.ids[name] = rnd.choice([each for each in CLASHES if each not in self.ids.values()])
        self.lists = {
            name: []
            for name in [
                "FunctionDefinitions",
                "UnitDefinitions",
                "Compartments",
                "Species",
                "Parameters",
                "InitialAssignments",
                "Rules",
                "Reactions",
                "Events",
            ]
        }
        self.known = ["p", "q", "r"]
        self.by_event = []
        self.by_rate = []

    def chance(self, share):
        """Return whether something of this share happens."""
        return self.rnd.random() < share

    def number(self):
        """Return a number around 1."""
        return self.rnd.choice((0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0))

    def math(self, text):
        """Return a formula as MathML."""
        return formula(text, self.ids)

    def start(self):
        """Return a positive formula of what is known so far."""
        x, y, number = self.rnd.choice(self.known), self.rnd.choice(self.known), self.number()
        return self.rnd.choice(
            (
                f"{number} * {x}",
                f"{x} + {number} * {y}",
                f"half({x}, {y}) + {number}",
                f"{number} + {x} / (1 + {y})",
                f"{x} * exp(-{number} * {y})",
                f"piecewise({x}, {y} > 0.8, {number})",
                f"avogadro * {number} * 1e-23" if self.level == 3 else f"{number} * {x}",
            )
        )

    def rule(self):
        """Return a positive formula that may follow the time."""
        x, y, number = self.rnd.choice(self.known), self.rnd.choice(self.known), self.number()
        return self.rnd.choice(
            (
                self.start(),
                self.start(),
                f"{number} + {x} * time / 5",
                f"piecewise({x}, time < {2 * number}, {y})",
                f"{x} * (1.5 + sin({number} * time))",
                f"twice({x}) / (1 + {y}) + 0.2",
            )
        )

    def rate(self):
        """Return the formula of a bounded rate."""
        x, y, number = self.rnd.choice(self.known), self.rnd.choice(self.known), self.number()
        return self.rnd.choice(
            (
                f"0.1 * {x}",
                f"0.2 * {number} - 0.1 * {x} / (1 + {y})",
                f"0.1 * {x} * piecewise(1, time > 1.5, 0)",
            )
        )

    def variable(self, name, kinds, numbers):
        """Determine a variable by a number, an assignment, a rule or events; return its attributes."""
        kind = self.rnd.choice(kinds)
        ident = self.ids[name]
        attributes = self.rnd.choice(numbers)
        constant = "true" if kind == "constant" else "false"
        if kind in ("initial", "rate+initial", "event+initial"):
            self.lists["InitialAssignments"].append(
                f'<initialAssignment symbol="{ident}">{self.math(self.start())}</initialAssignment>'
            )
            attributes = self.rnd.choice(("", attributes))
        if kind == "assignment":
            self.lists["Rules"].append(
                f'<assignmentRule variable="{ident}">{self.math(self.rule())}</assignmentRule>'
            )
            attributes = self.rnd.choice(("", attributes))
        if kind.startswith("rate"):
            self.lists["Rules"].append(f'<rateRule variable="{ident}">{self.math(self.rate())}</rateRule>')
        if kind.startswith(("rate", "event")):
            self.by_event.append(name)
        if kind == "initial":
            constant = self.rnd.choice(("true", "false"))
        self.known.append(name)
        return kind, f'{attributes} constant="{constant}"'

    def write(self):
        """Return the document."""
        self.functions()
        self.parameters()
        self.compartments()
        self.species()
        self.reactions()
        self.events()
        self.rnd.shuffle(self.lists["Parameters"])
        if self.chance(0.02):
            self.lists["Rules"].append(f"<algebraicRule>{self.math('p - 1 * q')}</algebraicRule>")
        body = "".join(
            f"<listOf{name}>{''.join(items)}</listOf{name}>" for name, items in self.lists.items() if items
        )
        units = ' timeUnits="second" substanceUnits="mole" volumeUnits="litre" extentUnits="mole"'
        model = f'<model id="m"{self.rnd.choice(("", units))}{self.factor()}>'
        if self.level == 2:
            core, model, body = "http://www.sbml.org/sbml/level2/version4", '<model id="m">', of_level_2(body)
        else:
            core = f"http://www.sbml.org/sbml/level3/version{self.version}/core"
        head = f'<sbml xmlns="{core}" level="{self.level}" version="{self.version}">'
        return f"{head}{model}{body}</model></sbml>"

    def factor(self):
        """Return a conversion factor, or none."""
        return f' conversionFactor="{self.ids["cf"]}"' if self.chance(0.15) else ""

    def functions(self):
        """Write two functions, one of which calls the other."""
        for name, arguments, text in (("half", "x y", "x * y / 2"), ("twice", "x", "4 * half(x, 1.0)")):
            listed = "".join(f"<bvar><ci> {each} </ci></bvar>" for each in arguments.split())
            inner = self.math(text).split(">", 1)
            math = f"{inner[0]}><lambda>{listed}{inner[1].removesuffix('</math>')}</lambda></math>"
            self.lists["FunctionDefinitions"].append(
                f'<functionDefinition id="{self.ids[name]}">{math}</functionDefinition>'
            )

    def parameter(self, name, attributes):
        """Write a parameter."""
        unit = self.rnd.choice(("", ' units="dimensionless"'))
        self.lists["Parameters"].append(f'<parameter id="{self.ids[name]}"{attributes}{unit}/>')

    def parameters(self):
        """Write parameters of all kinds."""
        for name, value in (("p", 1.0), ("q", 0.7), ("r", 0.4), ("dose", 1.0)):
            self.parameter(name, f' value="{value}" constant="{self.rnd.choice(("true", "false"))}"')
        self.parameter("cf", f' value="{self.number()}" constant="true"')
        self.known.append("dose")
        kinds = [
            "constant",
            "free",
            "initial",
            "assignment",
            "rate",
            "rate+initial",
            "event",
            "event+initial",
        ]
        for name in ("z", "drive", "e"):
            numbers = [f' value="{self.number()}"']
            self.parameter(name, self.variable(name, kinds, numbers)[1])

    def compartments(self):
        """Write compartments whose volumes are numbers, assigned, ruled, or changed by events."""
        kinds = [
            "constant",
            "free",
            "initial",
            "assignment",
            "rate",
            "rate+initial",
            "event",
            "event+initial",
        ]
        for name in ("V", "W"):
            kind = self.variable(name, kinds, [f' size="{self.number()}"'])[1]
            dimensions = self.rnd.choice((3, 3, 2, 1))
            self.lists["Compartments"].append(
                f'<compartment id="{self.ids[name]}" spatialDimensions="{dimensions}"{kind}/>'
            )

    def species(self):
        """Write species of all kinds."""
        self.reacting, self.floating = [], []
        for name in ("S", "A", "B", "C", "F"):
            boundary = name == "F" or (name != "S" and self.chance(0.1))
            numbers = [f' initialConcentration="{self.number()}"', f' initialAmount="{self.number()}"']
            kinds = ["free", "free", "initial", "event", "event+initial"]
            if name in ("C", "F"):
                kinds += ["assignment", "rate", "rate+initial", "constant"]
            kind, attributes = self.variable(name, ["free"] if name == "S" else kinds, numbers)
            ruled = kind.startswith(("rate", "assignment")) or kind == "constant"
            boundary = boundary or kind == "constant"
            if not ruled or (boundary and self.chance(0.5)):
                self.reacting.append(name)
            if not boundary:
                self.floating.append(name)
            self.lists["Species"].append(
                f'<species id="{self.ids[name]}" compartment="{self.ids[self.rnd.choice("VW")]}"{attributes} '
                f'hasOnlySubstanceUnits="{self.rnd.choice(("false", "false", "true"))}" '
                f'boundaryCondition="{"true" if boundary else "false"}"{self.factor()}/>'
            )

    def reference(self, kind, species, number):
        """Return the reference to a species in a reaction."""
        ident = ""
        constant = "true"
        stoichiometry = f' stoichiometry="{self.rnd.choice((1, 1, 1, 2, 1.5))}"'
        if self.level == 3 and not self.stoichiometry and self.chance(0.15):
            self.stoichiometry = True
            ident = f' id="{self.ids["n"]}"'
            kinds = ["free", "free", "assignment", "assignment", "rate", "event", "initial"]
            saved, self.known = self.known, ["p", "q", "r"]
            _, attributes = self.variable("n", kinds, [stoichiometry])
            self.known = [*saved, "n"]
            stoichiometry, constant = attributes.split(" constant=")[0], attributes.split('"')[-2]
        return (
            f'<speciesReference{ident} species="{self.ids[species]}"{stoichiometry} constant="{constant}"/>'
        )

    def reactions(self):
        """Write reactions, with kinetic laws of all kinds."""
        self.stoichiometry = False
        for number in range(self.rnd.choice((1, 2, 3, 4))):
            sources = self.rnd.sample(self.reacting, min(len(self.reacting), self.rnd.choice((0, 1, 1, 2))))
            others = [name for name in self.reacting if name not in sources]
            products = self.rnd.sample(others, min(len(others), self.rnd.choice((0, 1, 1, 2))))
            if not sources + products:
                continue
            local = self.chance(0.4)
            factor = self.rnd.choice(("p", "q", "r", "z", "drive", "dose", "e", "V * p", "W * r"))
            factor = f"k * {factor}" if local else factor
            law = f"0.2 * {factor} * {' * '.join(sources) or '1'}"
            law = self.rnd.choice(
                (law, law, f"{law} / (1 + {self.rnd.choice(self.known)})", f"half({law}, 2.0)")
            )
            if self.chance(0.04):
                if self.version == 1:
                    law += f" + 0 * delay({self.rnd.choice('pS')}, 0.5)"
                elif (
                    self.version == 2 and not local
                ):  # libRoadRunner takes a local V for the compartment of A
                    law += " * (1.1 + rateOf(A))"
            self.reaction(number, sources, products, law, local)

    def reaction(self, number, sources, products, law, local):
        """Write a reaction."""
        left = "".join(self.reference("reactants", name, number) for name in sources)
        right = "".join(self.reference("products", name, number) for name in products)
        used = {each.id for each in ast.walk(ast.parse(law)) if isinstance(each, ast.Name)}
        others = [name for name in ("S", "A", "B", "C", "F") if name in used - {*sources, *products}]
        modifiers = "".join(f'<modifierSpeciesReference species="{self.ids[name]}"/>' for name in others)
        ids, parameters = self.ids, ""
        if local:
            shadow = self.rnd.choice((self.ids["k"], self.ids["k"], self.ids["p"], "V"))
            ids = {**self.ids, "k": shadow}
            local = f'<localParameter id="{shadow}" value="{self.number()}"/>'
            parameters = f"<listOfLocalParameters>{local}</listOfLocalParameters>"
        fast = ' fast="false"' if self.version == 1 else ""
        if self.version == 1 and self.chance(0.02):
            fast = ' fast="true"'
        ident = self.ids[f"J{number}"]
        self.lists["Reactions"].append(
            f'<reaction id="{ident}" reversible="{self.rnd.choice(("true", "false"))}"{fast}>'
            + (f"<listOfReactants>{left}</listOfReactants>" if left else "")
            + (f"<listOfProducts>{right}</listOfProducts>" if right else "")
            + (f"<listOfModifiers>{modifiers}</listOfModifiers>" if modifiers else "")
            + f"<kineticLaw>{formula(law, ids)}{parameters}</kineticLaw></reaction>"
        )
        self.known.append(f"J{number}")

    def events(self):
        """Write events of all kinds on what they may change."""
        count = self.rnd.choice((0, 1, 2, 3)) if self.level == 3 else self.rnd.choice((0, 0, 1, 2))
        targets = [name for name in self.by_event if name != "S"]
        priorities = self.rnd.sample(["1", "2", "-1.5", "p", "10 * q + z", "S"], 3)
        for number in range(count if targets else 0):
            trigger = self.rnd.choice(
                (
                    f"time >= {self.rnd.choice((0.0, 1.3, 2.0, 2.6, 4.0))}",
                    f"time > {self.rnd.choice((1.3, 2.0, 2.6, 4.0))}",
                    "time * q > 2.1",
                    f"S < {self.rnd.choice((0.21, 0.83, 1.57))}",
                    f"A > {self.rnd.choice((0.21, 0.83, 1.57))}",
                    "dose > 1.5",
                    "time > 1.1 and B > 0.43",
                    "time > 2.3 and time < 3.7",
                    f"drive > {self.rnd.choice((0.61, 1.13))}",
                    "Not(S > 0.93)",
                )
            )
            delay = self.rnd.choice(("", "", "", "0.4", "0.3 * q", "0.7"))
            self.lists["Events"].append(self.event(number, trigger, delay, priorities[number], targets))

    def event(self, number, trigger, delay, priority, targets):
        """Return an event."""
        changed = self.rnd.sample(targets, min(len(targets), self.rnd.choice((1, 1, 2))))
        assignments = "".join(
            f'<eventAssignment variable="{self.ids[name]}">{self.math(self.change(name))}</eventAssignment>'
            for name in changed
        )
        flags = f'persistent="{self.bool()}" initialValue="{self.bool()}"'
        return (
            f'<event id="event{number}" useValuesFromTriggerTime="{self.bool()}">'
            f"<trigger {flags}>{self.math(trigger)}</trigger>"
            + (f"<delay>{self.math(delay)}</delay>" if delay else "")
            + (f"<priority>{self.math(priority)}</priority>" if self.chance(0.4) else "")
            + f"<listOfEventAssignments>{assignments}</listOfEventAssignments></event>"
        )

    def change(self, name):
        """Return the formula of an event assignment."""
        return self.rnd.choice(
            (f"{name} + p", f"1.2 * {name} + 0.3 * q", self.start(), f"0.5 * {name} + 0.2", "1.1")
        )

    def bool(self):
        """Return a truth value as SBML has it."""
        return self.rnd.choice(("true", "false"))


def random_model(rnd):
    """Return a random model; `rnd` is a random.Random."""
    writer = Writer(rnd)
    sbml = writer.write()
    ids = writer.ids
    stimulus = None
    if writer.chance(0.4):
        first = 0.0 if writer.level == 3 else 4.4  # an event of level 2 does not fire at the start
        stimulus = (ids["dose"], 2.0, rnd.choice((first, 1.3, 2.5, 3.1)))
    outcome = ids[writer.floating[-1]]
    inputs = rnd.choice((None, (ids["S"],), "all"))
    parameters = rnd.choice((None, None, (ids["p"], ids["q"], ids["r"]), (ids["p"],)))
    return RandomModel(sbml, outcome, inputs, parameters, stimulus, rnd.randrange(10**6))
