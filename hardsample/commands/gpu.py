"""`hardsample gpu`: what a GPU is needed for."""

import argparse
import functools

from hardsample.gpu import campaign, plan


def do(options: argparse.Namespace) -> int:
    data = options.data or (plan.TINY if options.tiny else plan.DATA)
    stages = campaign.campaign(
        options.out,
        minutes=options.minutes,
        settings=plan.Settings(options.device, options.tiny, data),
        stages=options.stages,
        say=functools.partial(print, flush=True),
    )
    return 0 if all(about["state"] in ("done", "left out") for about in stages.values()) else 1
