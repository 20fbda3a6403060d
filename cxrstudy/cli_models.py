"""Commands that ask models: of one's own images, and of a benchmark's questions.

They are registered on the command line by ``cli.py``.
"""

from pathlib import Path
from typing import Annotated

import typer


def predict(
    images: Annotated[Path, typer.Option(help="Folder of PNG, JPEG and DICOM files.")],
    out: Annotated[Path, typer.Option(help="The table of probabilities to write: a .csv file.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="A stored classifier; study 06 leaves the default one.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="A head of study 15: travel/experts or travel/reports.")
    ] = None,
) -> None:
    """Predict the 14 observations for every image of a folder.

    Exit code: 0 if every file was read, 1 if some were left out, 2 if no table was written.
    """
    from cxrstudy.data.images.folders import ImageFolderError
    from cxrstudy.vision.predict_folder import predict_folder
    from cxrstudy.vision.stored_classifier import (
        ClassifierFileError,
        default_checkpoint,
        load_classifier,
        stored_head,
    )

    if head and checkpoint:
        raise typer.BadParameter("--head names one of ours, --checkpoint one of yours; give one")
    try:
        path = stored_head(head) if head else checkpoint or default_checkpoint()
        classifier = load_classifier(path)
        predicted = predict_folder(classifier, images, out)
    except (ClassifierFileError, ImageFolderError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    for line in (*predicted.inverted, *predicted.skipped):
        typer.echo(line, err=True)
    typer.echo(f"{predicted.n_predicted} images predicted in {predicted.destination}")
    if predicted.skipped:
        raise typer.Exit(1)


def benchmark(
    model: Annotated[
        str,
        typer.Argument(help="A model of the hub, its folder, or 'majority'; a name for --command."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for answers.csv and accuracy.csv.")],
    tasks: Annotated[str, typer.Option(help="Tasks, with commas between them; all if none.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Items of each task, at most.")] = None,
    command: Annotated[
        str | None, typer.Option(help="A program that answers lines of JSON: python my_model.py.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Commit of the hub's repository: pins the weights.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Such as cuda:0 or cpu.")] = None,
    images: Annotated[
        str, typer.Option(help="Folder of NIH images; by default the NIH's archive of the book.")
    ] = "",
    size: Annotated[int, typer.Option(min=1, help="Edge of the images in pixels.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Draws the items, and --limit's.")] = 0,
) -> None:
    """Ask a vision-language model the held-out questions of study 11, and score its answers."""
    from contextlib import ExitStack

    from cxrstudy.data.images import load_images
    from cxrstudy.multimodal import benchmark as scoring
    from cxrstudy.studies.chexagent.controls import Majority
    from cxrstudy.studies.chexagent.image_items import image_items
    from cxrstudy.studies.chexagent.text_items import text_items

    scoring.check_folder(out)
    image_set = load_images(images, size)
    items = [*image_items(image_set, seed), *text_items(image_set, seed)]
    wanted = [name.strip() for name in tasks.split(",") if name.strip()]
    asked = scoring.chosen_items(items, wanted, limit, seed)

    def pixels(image: str):
        return image_set.pixels[image_set.images.index.get_loc(image)]

    with ExitStack() as stack:
        if command is not None:
            from cxrstudy.multimodal.process import ProcessModel

            answerer = stack.enter_context(ProcessModel(command, pixels, model))
        elif model == Majority.name:
            training = [item for item in items if item.split == "training"]
            answerer = Majority().fit(training)
        else:
            from cxrstudy.multimodal.hub import HubModel

            answerer = HubModel(model, pixels, device, revision=revision)
        answers = scoring.answers_table(asked, answerer, seed)
    accuracy = scoring.accuracy_table(answers)
    scoring.write_tables(out, answers, accuracy)
    for row in accuracy.itertuples():
        interval = f"{row.estimate:.3f} ({row.low:.3f} to {row.high:.3f})"
        typer.echo(f"{row.task}, {row.scoring}: {interval}, chance {row.chance:.3f}, n = {row.n}")
    typer.echo(f"{answerer.name}: {len(answers)} answers in {out}")
