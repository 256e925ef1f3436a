"""The form of a field mapping: a row a field; a row without a source column is none."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from connectors.extra import ERP, MARKETING, READERS, RULES, ExtraField, TargetField
from sync.field_checks import MOST_FIELDS, Problem

EMPTY_ROWS = 2


class RowForm(forms.Form):
    source = forms.CharField(
        label="Column of the source",
        required=False,
        max_length=200,
        strip=True,
        widget=forms.TextInput({"list": "columns", "autocomplete": "off", "spellcheck": "false"}),
        help_text="Empty: this row is taken out.",
    )
    reader = forms.ChoiceField(label="Read as", choices=[(name, one.label) for name, one in READERS.items()])
    target = forms.ChoiceField(label="Field of the target", required=False)
    owner = forms.ChoiceField(
        label="Owner",
        choices=[(ERP, "The ERP: it is written"), (MARKETING, "Marketing: compared, never written")],
    )
    rule = forms.ChoiceField(label="Equal when", choices=[(name, one.label) for name, one in RULES.items()])
    tolerance = forms.CharField(
        label="Tolerance", required=False, max_length=20, widget=forms.TextInput({"inputmode": "decimal"})
    )
    region = forms.CharField(label="Country of phone numbers", required=False, max_length=2)
    table = forms.CharField(
        label="Table of codes",
        required=False,
        max_length=5_000,
        widget=forms.Textarea({"rows": 3, "placeholder": "GLD = Gold"}),
        help_text="One code = meaning a line.",
    )
    personal = forms.BooleanField(label="Personal: masked", required=False, initial=True)

    def __init__(self, *args: Any, targets: Sequence[TargetField] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self._names = {one.id: one.name for one in targets}
        field = self.fields["target"]
        assert isinstance(field, forms.ChoiceField)
        kinds = {"text": "text", "number": "number", "date": "date", "choice": "choice"}
        listed = [(one.id, f"{one.name} ({kinds.get(one.kind, one.kind)})") for one in targets]
        field.choices = [("", "Choose a field"), *listed]

    def clean_table(self) -> dict[str, str]:
        pairs = {}
        for line in self.cleaned_data["table"].splitlines():
            code, equals, meaning = line.partition("=")
            if not line.strip():
                continue
            if not equals or not code.strip():
                raise forms.ValidationError(f"“{line.strip()[:40]}” is no line such as GLD = Gold.")
            pairs[code.strip()] = meaning.strip()
        return pairs

    @property
    def row(self) -> dict[str, Any]:
        """As `field_mappings.save` takes it; empty for a row that was taken out or never filled."""
        found = self.cleaned_data
        if not found.get("source"):
            return {}
        name = self._names.get(found["target"], "")
        return {**found, "name": name, "tolerance": found["tolerance"] or "0", "region": found["region"].upper()}


Rows = forms.formset_factory(RowForm, extra=EMPTY_ROWS, max_num=MOST_FIELDS, validate_max=True)


def rows(data: Mapping[str, Any] | None, fields: Sequence[ExtraField], targets: Sequence[TargetField]) -> Any:
    """The formset; `fields` fill it when nothing was posted. Fields that stand in it are choices all the same."""
    listed = {one.id: one for one in targets}
    listed |= {one.target: TargetField(one.target, one.name, "") for one in fields if one.target not in listed}
    options = {"targets": list(listed.values())}
    if data is not None:
        return Rows(data, prefix="row", form_kwargs=options)
    return Rows(initial=[_initial(one) for one in fields], prefix="row", form_kwargs=options)


def _initial(one: ExtraField) -> dict[str, Any]:
    table = "\n".join(f"{code} = {meaning}" for code, meaning in one.table.items())
    tolerance = "" if one.tolerance == "0" else one.tolerance
    same = {name: getattr(one, name) for name in ("source", "reader", "target", "owner", "rule", "region", "personal")}
    return {**same, "tolerance": tolerance, "table": table}


def filled(formset: Any) -> list[tuple[Any, dict[str, Any]]]:
    """(form, row) of every row that names a column."""
    return [(form, form.row) for form in formset.forms if form.cleaned_data and form.row]


def mark(formset: Any, problems: Sequence[Problem]) -> list[str]:
    """Puts each problem at its cell; gives those that belong to no cell."""
    kept = filled(formset)
    general = []
    for problem in problems:
        form = kept[problem.row - 1][0] if 0 < problem.row <= len(kept) else None
        cell = "target" if problem.cell == "name" else problem.cell
        if form is None or cell not in form.fields:
            general.append(str(problem))
        else:
            form.add_error(cell, problem.message)
    return general
