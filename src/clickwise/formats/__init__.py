"""Label files of every kind, read and written: masks as PNG, COCO, LabelMe, YOLO, Pascal VOC. No torch.

`registry` names the formats; `records` is what all of them are translated from and to.
"""
