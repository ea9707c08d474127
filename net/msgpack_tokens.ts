/**
 * The first bytes of the msgpack values that messages use.
 *
 * Small integers, short texts and short arrays have their value in that byte: 0x00 to 0x7f and 0xe0
 * to 0xff are integers, 0xa0 to 0xbf texts, 0x90 to 0x9f arrays.
 *
 * @module
 */

export const NIL = 0xc0;
export const FALSE = 0xc2;
export const TRUE = 0xc3;
export const BIN8 = 0xc4;
export const BIN16 = 0xc5;
export const BIN32 = 0xc6;
export const FLOAT32 = 0xca;
export const FLOAT64 = 0xcb;
export const UINT8 = 0xcc;
export const UINT16 = 0xcd;
export const UINT32 = 0xce;
export const UINT64 = 0xcf;
export const INT8 = 0xd0;
export const INT16 = 0xd1;
export const INT32 = 0xd2;
export const INT64 = 0xd3;
export const STR8 = 0xd9;
export const STR16 = 0xda;
export const ARRAY16 = 0xdc;
export const ARRAY32 = 0xdd;
