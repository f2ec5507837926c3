"""Images inside of archives: `shard-000.tar::key.jpg`, as `docs/data.md` describes their names."""

from neuron.archives.member import Member, is_in_archive

__all__ = ["Member", "is_in_archive"]
