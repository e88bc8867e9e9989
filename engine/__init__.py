"""One run: read both sides, plan, Phase 1, Phase 2, record. All effects, no decisions."""

from engine.carrying_out import Progress
from engine.reading import Tools
from engine.run import Options, check, sync
from engine.telling import forget_told

__all__ = ["Options", "Progress", "Tools", "check", "forget_told", "sync"]
