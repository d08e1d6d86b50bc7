"""Expanding a grid: keys once per model and dataset, prompts once per (category, seed), then jobs and parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gad.harness import ids, manifest, promptfiles, prompts
from gad.harness.errors import GridError, HarnessError
from gad.harness.manifest import Prepared
from gad.harness.methods import input_of, method_fields
from gad.harness.metrics import METRICS_VERSION
from gad.harness.nouns import Category, Grid, Job, ModelChoice, Part, PromptSet, Sample, Training
from gad.harness.planned import Source
from gad.harness.registry import Registry


class Planner:
    """Keys are computed once per model and dataset, prompts once per (category, seed)."""

    def __init__(
        self, grid: Grid, sources: dict[str, Source], auxiliary: dict[str, Source], registry: Registry
    ) -> None:
        self.grid, self.sources, self.auxiliary, self.registry = grid, sources, auxiliary, registry
        self.files = {dataset: promptfiles.read(Path(path)) for dataset, path in grid.prompts.items()}
        for dataset, file in self.files.items():
            if file.dataset != sources[dataset].name:
                raise GridError(
                    f"the prompts of {grid.prompts[dataset]} are those of {file.dataset}, not of {dataset}"
                )
        self.imported = {sources[dataset].name: file for dataset, file in self.files.items()}
        self.trainings: dict[str, Training] = {}
        self.absent: dict[str, None] = {}
        self._digests: dict[Path, str] = {}
        self.prompt_sets: dict[tuple[str, str, int], PromptSet] = {}
        self.method_fields: dict[str, Any] = {}
        self.column_fields: dict[str, Any] = {}
        self._methods: dict[str, tuple[str, str]] = {}
        self._columns: dict[str, str] = {}
        self._normals: dict[str, dict[str, list[Sample]]] = {}
        self._queries: dict[tuple[str, str], str] = {}

    def seeds(self, dataset: str) -> tuple[int, ...]:
        return self.files[dataset].seeds if dataset in self.files else self.grid.seeds

    def training_seeds(self, choice: ModelChoice) -> tuple[int | None, ...]:
        """A checkpoint that is the same for all of them counts once: its scores would be repeated, not varied."""
        if not self.registry.find(choice.name).info.trained:
            return (None,)
        fixed = choice.checkpoint and "{training_seed" not in choice.checkpoint
        return self.grid.training_seeds[:1] if fixed else self.grid.training_seeds

    def job(self, choice: ModelChoice, dataset: str, shots: int, seed: int, training_seed: int | None) -> Job:
        method, invalid = self._method(choice)
        source, helper = self.sources[dataset], None
        model = self.registry.find(choice.name)
        rule = self.grid.auxiliary.get(dataset, self.grid.auxiliary.get("default", ""))
        if model.info.trained and not choice.checkpoint:
            helper = self.auxiliary.get(rule)
            if helper is None:
                invalid = (
                    invalid
                    or f"{choice.name} is trained, and the grid names no auxiliary set for {source.name}"
                )
        if source.prepared is None or (helper and helper.prepared is None):
            return self._unprepared(choice, source, helper, shots, seed, training_seed, method)
        column = self._column(source.prepared)
        least = model.info.least_shots(choice.options)
        if shots < least:
            invalid = invalid or f"{choice.name} needs at least {least} prompts; K = {shots}"
        training = ""
        if helper and helper.prepared and training_seed is not None:
            training = self._training(choice, method, helper.prepared, shots, training_seed)
        elif choice.checkpoint and training_seed is not None:
            training, problem = self._given(choice, method, Path(rule).name, shots, training_seed)
            if not model.info.importer:
                problem = f"{choice.name} names no importer: it cannot read a checkpoint"
            invalid = invalid or problem
        parts = []
        for category in source.prepared.categories:
            drawn = self._prompts(source.prepared, category.category, seed)
            if len(drawn.samples) < shots:
                invalid = invalid or (
                    f"category {category.category} of {source.name} has {len(drawn.samples)} "
                    f"{'imported prompts' if source.name in self.imported else 'normal train images'}; K = {shots}"
                )
            parts.append(self._part(method, source.prepared, category, seed, training, drawn.first(shots)))
        return Job(
            job_id=ids.job_id(
                method=method,
                column=column,
                dataset=source.name,
                shots=shots,
                seed=seed,
                training_seed=training_seed,
            ),
            model=choice,
            dataset=source.name,
            protocol=source.prepared.protocol,
            shots=shots,
            seed=seed,
            training_seed=training_seed,
            method_key=method,
            column_key=column,
            parts=tuple(parts),
            invalid=invalid,
        )

    def _training(
        self, choice: ModelChoice, method: str, prepared: Prepared, shots: int, training_seed: int
    ) -> str:
        """The id of a training, one for all jobs that want the same."""
        info = self.registry.find(choice.name).info
        shots = 0 if info.one_training else shots
        name = ids.training_id(
            method=method, auxiliary=prepared.fingerprint, shots=shots, training_seed=training_seed
        )
        self.trainings[name] = Training(
            training_id=name,
            model=choice,
            method_key=method,
            auxiliary=prepared.name,
            shots=shots,
            training_seed=training_seed,
            trains_on=info.trains_on,
        )
        return name

    def _given(
        self, choice: ModelChoice, method: str, auxiliary: str, shots: int, training_seed: int
    ) -> tuple[str, str]:
        """The id of a checkpoint that is given as a file, and why it cannot be used, or ""."""
        fields = {"auxiliary": auxiliary, "shots": shots, "training_seed": training_seed}
        try:
            place = Path(choice.checkpoint.format(**fields)).expanduser().absolute()
            if place not in self._digests:
                self._digests[place] = manifest.file_digest(place)
        except (KeyError, IndexError) as error:
            known = ", ".join(fields)
            return "", f"checkpoint {choice.checkpoint!r} of {choice.name}: {error} is none of {known}"
        except (ValueError, AttributeError, TypeError) as error:  # braces that do not close, {shots[0]}
            return "", f"checkpoint {choice.checkpoint!r} of {choice.name} cannot be filled in: {error}"
        except OSError as error:
            problem = f"checkpoint {place} of {choice.name} is not there ({error.strerror or error})"
            self.absent[problem] = None
            return "", problem
        name = ids.short_id("given", {"method": method, "checkpoint": self._digests[place], "shots": shots})
        self.trainings[name] = Training(
            training_id=name,
            model=choice,
            method_key=method,
            auxiliary=auxiliary,
            shots=shots,
            training_seed=training_seed,
            checkpoint=str(place),
        )
        return name, ""

    def _unprepared(
        self,
        choice: ModelChoice,
        source: Source,
        helper: Source | None,
        shots: int,
        seed: int,
        training_seed: int | None,
        method: str,
    ) -> Job:
        """A job whose data are not there yet: counted, without ids that depend on the data."""
        stand_in = f"{choice.name}{choice.options}/{source.name}/{shots}/{seed}/{training_seed}"
        return Job(
            job_id=stand_in,
            model=choice,
            dataset=source.name,
            protocol=source.prepared.protocol if source.prepared else source.protocol,
            shots=shots,
            seed=seed,
            training_seed=training_seed,
            method_key=method,
            column_key="",
            parts=tuple(
                Part(part_id=f"{stand_in}/{c.category}", category=c.category, text=c.text, prompts=())
                for c in source.categories
            ),
            invalid=source.missing or (helper.missing if helper else ""),
        )

    def _part(
        self,
        method: str,
        prepared: Prepared,
        category: Category,
        seed: int,
        training: str,
        drawn: tuple[Sample, ...],
    ) -> Part:
        return Part(
            part_id=ids.part_id(
                method=method,
                dataset=prepared.name,
                category=category.category,
                text=category.text,
                seed=seed,
                training=training,
                prompts=[(s.id, s.digest) for s in drawn],
                queries=self._query_digest(prepared, category),
            ),
            category=category.category,
            text=category.text,
            prompts=tuple(s.id for s in drawn),
            training=training,
        )

    def _method(self, choice: ModelChoice) -> tuple[str, str]:
        """The method's key, and why it cannot run here (its encoder's weights are missing), or ""."""
        name = repr((choice.name, sorted(choice.options.items())))
        if name not in self._methods:
            model = self.registry.find(choice.name)
            try:
                wanted = input_of(model, choice, self.grid.precision, self.grid.resize)
                fields, problem = method_fields(self.grid, model, choice, wanted), ""
            except HarnessError as error:
                fields = method_fields(self.grid, model, choice, None)
                problem = str(error).replace("\n", ". ")
            self._methods[name] = (ids.method_key(fields), problem)
            self.method_fields[self._methods[name][0]] = fields
        return self._methods[name]

    def _column(self, prepared: Prepared) -> str:
        if prepared.name not in self._columns:
            fields: dict[str, Any] = {
                "fingerprint": prepared.fingerprint,
                "texts": {category.category: category.text for category in prepared.categories},
                "prompt_rule": file.rule if (file := self.imported.get(prepared.name)) else prompts.RULE,
                "metrics_version": METRICS_VERSION,
                "test_images": self.grid.limits.test_images,
            }
            key = ids.column_key(**fields)
            self._columns[prepared.name] = key
            self.column_fields[key] = {"dataset": prepared.name, **fields}
        return self._columns[prepared.name]

    def _prompts(self, prepared: Prepared, category: str, seed: int) -> PromptSet:
        key = (prepared.name, category, seed)
        if key not in self.prompt_sets:
            if prepared.name not in self._normals:
                groups: dict[str, list[Sample]] = {}
                for sample in manifest.read_samples(prepared, split="train", label=0):
                    groups.setdefault(sample.category, []).append(sample)
                self._normals[prepared.name] = groups
            normals = self._normals[prepared.name].get(category, [])
            file = self.imported.get(prepared.name)
            self.prompt_sets[key] = (
                promptfiles.prompt_set(file, category, seed, normals)
                if file
                else prompts.draw(prepared.name, category, seed, normals, max(self.grid.shots))
            )
        return self.prompt_sets[key]

    def _query_digest(self, prepared: Prepared, category: Category) -> str:
        most = self.grid.limits.test_images
        if most is None:
            return category.test_digest
        key = (prepared.name, category.category)
        if key not in self._queries:
            tests = manifest.read_samples(prepared, category=category.category, split="test")
            kept = prompts.limit_tests(prepared.name, category.category, tests, most)
            self._queries[key] = manifest.test_digest(kept)
        return self._queries[key]
