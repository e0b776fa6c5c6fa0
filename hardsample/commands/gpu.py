"""`hardsample gpu`: what a GPU is needed for."""

import argparse
import functools

from hardsample.gpu import campaign, plan


def do(options: argparse.Namespace) -> int:
    data = options.data if options.data not in ("", "auto") else plan.TINY if options.tiny else plan.DATA
    device = "cuda" if options.device == "auto" else options.device
    stages = campaign.campaign(
        options.out,
        minutes=options.minutes,
        settings=plan.Settings(device, options.tiny, data),
        stages=options.stages,
        say=functools.partial(print, flush=True),
    )
    return 0 if all(about["state"] in ("done", "left out") for about in stages.values()) else 1
