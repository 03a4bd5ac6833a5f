"""A training set of a few drawn fields and a configuration that takes seconds."""

import json
from pathlib import Path

import cv2

from models.phantom import draw_field
from models.training.config import TrainConfig
from tests.models.small_network import describe_model


def write_fields(
    folder: Path, num_fields: int = 6, num_folds: int = 2, every_other_negative: bool = False
) -> Path:
    """A folder with images/ and annotations.json: classes NILM and HSIL, folds in turn."""
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for index in range(num_fields):
        negative = every_other_negative and index // num_folds % 2
        mix = {"NILM": 1.0} if negative else {"NILM": 0.6, "HSIL": 0.4}
        pixels, bbox, label = draw_field(index, 160, 140, 0.5, 6, mix)
        name = f"field{index}.png"
        cv2.imwrite(str(folder / "images" / name), pixels[:, :, ::-1])
        images.append(
            {"id": index, "file_name": name, "width": 160, "height": 140, "mpp": 0.5}
            | {"fold": index % num_folds}
        )
        for (x1, y1, x2, y2), cell_label in zip(bbox.tolist(), label.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": index,
                    "category_id": 1 if cell_label == 0 else 2,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                }
            )
    categories = [{"id": 1, "name": "NILM"}, {"id": 2, "name": "HSIL"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def make_config(**train: float) -> TrainConfig:
    """Two epochs on crops of 96 px."""
    model = describe_model()
    section = {
        "epochs": 2,
        "batch_size": 2,
        "crop_px": 96,
        "pretrained": False,
        "lr": 1e-3,
        "backbone_lr_factor": 1.0,
        "weight_decay": 0.01,
        "warmup_iterations": 2,
        "grad_clip_norm": 10.0,
        "ema_decay": 0.9,
        "repeat_threshold": 0.3,
        "paste_fraction": 0.0,
        "phantom_fraction": 0.2,
        "phantom_fields": 2,
        "histology_fields": 1,
        "seed": 0,
    }
    augment = {
        "scale": (0.9, 1.1),
        "rotate_degrees": 180.0,
        "brightness": 0.1,
        "contrast": 0.1,
        "stain": 0.1,
        "channel_shift": 0.02,
        "blur_sigma_px": 0.5,
        "noise_std": 2.0,
    }
    return TrainConfig.model_validate(
        {
            "input": model["input"],
            "train": section | train,
            "augment": augment,
            "postprocess": {"score_thresholds": (0.2, 0.2), "merge_iou": 0.6},
            "slide_score": model["slide_score"],
            "network": model["network"],
        }
    )
