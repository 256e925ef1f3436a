"""The datasets that come with the emulators, and the way to any other."""

from pathlib import Path

from connectors.emulators.dataset import Dataset, DatasetError
from connectors.emulators.datasets.online_retail import OnlineRetail

DEMO = "online_retail"


def open_dataset(name: str | None, seed: int) -> Dataset | None:
    """The demo company by its name, a folder in the neutral format by its path; None is an empty system.

    DatasetError when it is neither, or when the folder is no dataset.
    """
    if name is None:
        return None
    if name == DEMO:
        return OnlineRetail(seed)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise DatasetError(f"{name}: neither a folder nor the name of a dataset ({DEMO})")
    dataset = Dataset(folder.resolve())
    dataset.validate()
    return dataset
