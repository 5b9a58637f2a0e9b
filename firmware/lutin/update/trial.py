"""The boot record while a release runs: trials begun and confirmed, suspects judged."""

from .. import store
from ..states import Failure
from . import record as rules


class Trial:
    """What this board thinks of its releases, kept in the store."""

    def __init__(self, board, records, log):
        self._board = board
        self._store = records
        self._log = log
        self.record = self._load()
        self._armed = False  # what is on trial is a release that has not run yet

    def pending(self):
        """Whether something hangs on the next look."""
        return bool(self.record.trial or self.record.suspect)

    def failed(self):
        """The highest number that has failed here; 0: none."""
        return max(self.record.suspect, self.record.rejected)

    def claim(self, slot):
        """The slot will be overwritten."""
        if rules.claim(self.record, slot):
            self._save()

    def arm(self, slot, number, base):
        """The next start tries this slot, with this base (0: the one that runs)."""
        rules.arm(self.record, slot, number, base)
        self._armed = True
        self._save()
        if base and not self._board.boot_from(base):
            self._log.error("update: the boot loader refuses the base")

    def confirm(self, oldest):
        """The release that runs, on trial, is good."""
        if self.record.base:
            self._board.keep_base()
        rules.confirm(self.record, oldest)
        self._save()
        self._board.no_deadline()
        self._log.info("update: release %d is confirmed" % self.record.home_number)

    def marked(self):
        """Whether there is something to forgive."""
        return bool(self.record.crashes) or 0 < self.record.strikes < rules.STRIKES

    def forgive(self):
        """What runs has run well for a while; an application that is left out has not."""
        self.record.crashes = 0
        if not self.left_out():
            self.record.strikes = 0
        self._save()

    def on_trial(self):
        """Whether the release that runs is."""
        return bool(self.record.trial) and not self._armed

    def left_out(self):
        """Whether the application has caused too many restarts to be run again."""
        return self.record.strikes >= rules.STRIKES

    def pardon(self, asked=False):
        """The application gets another chance. asked: and the restart that comes is not its doing."""
        if not asked and not self.record.strikes:
            return
        self.record.strikes = 0
        self.record.asked = int(asked)
        try:
            self._save()
        except Failure as e:
            self._log.error("app: %s" % e)

    def expect(self):
        """The restart that comes is nobody's fault."""
        self.record.asked = 1
        try:
            self._save()
        except Failure as e:
            self._log.error("update: %s" % e)

    def acquit(self):
        """This release could not reach either what the suspect did not."""
        suspect = self.record.suspect
        rules.judge(self.record, False)
        self._log.info("update: release %d may have another trial" % suspect)
        self._save()

    def judge(self, guilty):
        """This release reaches what the suspect did not; guilty: and that one is whole."""
        suspect = self.record.suspect
        rules.judge(self.record, guilty)
        verdict = "is rejected" if guilty else "was damaged, and may have another trial"
        self._log.warn("update: release %d %s" % (suspect, verdict))
        self._save()

    def report(self):
        """For people."""
        record = self.record
        trial = None
        if record.trial:
            trial = {
                "slot": rules.SLOTS[record.trial],
                "number": record.trial_number,
                "boots": record.boots,
                "of": rules.BOOTS,
            }
        return {
            "home": rules.SLOTS[record.home],
            "trial": trial,
            "suspect": record.suspect or None,
            "rejected": record.rejected or None,
            "highest": record.highest,
            "strikes": record.strikes,
            "base": (None, "ota_0", "ota_1")[self._board.running_base()],
        }

    def _load(self):
        try:
            return rules.from_bytes(self._store.load(store.BOOT))
        except store.StoreError:
            return rules.Record()

    def _save(self):
        """Keep it; where that fails, go on with the one that is kept, and a Failure."""
        try:
            self._store.save(store.BOOT, self.record.to_bytes())
        except store.StoreError as e:
            self.record = self._load()
            raise Failure("flash-error", "boot record: %s" % e)
