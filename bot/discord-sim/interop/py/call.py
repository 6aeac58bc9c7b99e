"""What the two Python guests share: the variables, WAV files, RTP, and the libraries' common shape."""

import array
import os
import struct
import wave

import nacl.secret

URL = os.environ["SIM_URL"]
GATEWAY = os.environ["SIM_GATEWAY"]
TOKEN = os.environ["SIM_TOKEN"]
GUILD = int(os.environ["SIM_GUILD"])
CHANNEL = int(os.environ["SIM_CHANNEL"])
SPEAKER = int(os.environ["SIM_SPEAKER"])
SAY = os.environ["SIM_SAY"]
HEARD = os.environ["SIM_HEARD"]

SILENCE = b"\xf8\xff\xfe"


def stereo() -> bytes:
    """The WAV file to say, as raw 48 kHz stereo."""
    with wave.open(SAY) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, 48000)
        mono = array.array("h", file.readframes(file.getnframes()))
    both = array.array("h", bytes(len(mono) * 4))
    both[0::2] = mono
    both[1::2] = mono
    return both.tobytes()


def write_heard(pieces: list[bytes]) -> None:
    """What was heard, 48 kHz stereo."""
    with wave.open(HEARD, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(b"".join(pieces))


def open_packet(packet: bytes, key: bytes) -> bytes | None:
    """A voice packet's payload after aead_xchacha20_poly1305_rtpsize; None for anything else."""
    if len(packet) < 32 or packet[0] >> 6 != 2 or packet[1] & 0x7F != 0x78:
        return None
    clear = 12 + 4 * (packet[0] & 0x0F)
    words = 0
    if packet[0] & 0x10:
        words = struct.unpack_from(">H", packet, clear + 2)[0]
        clear += 4
    box = nacl.secret.Aead(bytes(key))
    payload = box.decrypt(packet[clear:-4], packet[:clear], packet[-4:] + bytes(20))[words * 4 :]
    return payload[: -payload[-1]] if packet[0] & 0x20 else payload
