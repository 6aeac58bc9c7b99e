"""Voice packets, for the libraries that offer no receiving: transport decryption, and whose SSRC is whose."""

import struct

import nacl.secret


def ssrc_of(packet: bytes) -> int:
    return struct.unpack_from(">I", packet, 8)[0]


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
    try:
        payload = box.decrypt(packet[clear:-4], packet[:clear], packet[-4:] + bytes(20))[words * 4 :]
    except nacl.exceptions.CryptoError:
        return None
    return payload[: -payload[-1]] if packet[0] & 0x20 else payload
