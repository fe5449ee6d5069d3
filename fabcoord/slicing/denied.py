"""Commands that no file may send to a printer, each with what it would do there.

Sources: marlinfw.org/meta/gcode, help.prusa3d.com (Prusa firmware G-code), and Marlin's
queue.cpp and e_parser.cpp. A machine's file may let single ones through (`allow_commands`).
"""

from __future__ import annotations

DENIED: dict[str, str] = {
    # Stopping, restarting, flashing
    "M112": "is an emergency stop, after which the printer must be reset",
    "M108": "breaks off waiting for the temperature",
    "M410": "stops all motion at once and loses the position",
    "M997": "starts a firmware update",
    "M999": "restarts a printer that stopped because of an error",
    "M81": "switches the power off, and with it the fan of a hot hot end",
    # The line numbers belong to whoever talks to the printer
    "M110": "changes the line numbers of the connection",
    "M575": "changes the speed of the connection",
    # Other prints and files on the printer's card
    "M21": "mounts the card",
    "M22": "releases the card, from which this very print may run",
    "M23": "selects a file on the card",
    "M24": "starts a print from the card",
    "M26": "jumps within a print from the card",
    "M28": "writes everything that follows to the card and prints none of it",
    "M29": "ends writing to the card",
    "M30": "deletes a file on the card",
    "M32": "starts a print from the card",
    "M98": "runs a file on the card",
    "M524": "cancels a print from the card",
    "M808": "repeats parts of the file, by a count that may be endless",
    "M928": "writes everything that follows to the card",
    # Settings that outlive this print
    "M500": "overwrites the printer's stored settings",
    "M501": "throws away the printer's current settings",
    "M502": "resets the printer to factory settings",
    "M504": "works on the printer's stored settings",
    "M92": "changes the steps per millimetre, so that lengths no longer hold",
    "M206": "shifts the origin",
    "M428": "shifts the origin",
    "M665": "changes the geometry of the machine",
    "M666": "changes the geometry of the machine",
    "M290": "shifts the nozzle's height while printing, which can drive it into the bed",
    "M350": "changes the steps per millimetre, so that lengths no longer hold",
    "M351": "changes the steps per millimetre, so that lengths no longer hold",
    "M851": "changes the height of the probe, which can drive the nozzle into the bed",
    # Heaters, motors and pins out of control
    "M301": "changes the control of the hot end's heater",
    "M303": "heats by itself to tune the heater",
    "M304": "changes the control of the bed's heater",
    "M306": "heats by itself to tune the heater",
    "M302": "permits extrusion with a cold hot end",
    "M570": "changes the protection against a failed heater",
    "M42": "switches a pin directly, which may be a heater",
    "M43": "switches pins directly, which may be heaters",
    "M121": "switches the end stops off",
    "M211": "switches the limits of the build volume off",
    "M226": "waits for a pin, perhaps for ever",
    "M260": "sends bytes to chips on the board",
    "M111": "changes debugging, for example into a dry run",
    "M906": "changes motor currents",
    "M907": "changes motor currents",
    "M908": "changes motor currents",
    "M909": "changes motor currents",
    "M910": "changes motor currents",
    "M914": "changes when a blocked motor is noticed",
    "M915": "drives the gantry against its end",
    # Motion that cannot be followed
    "G5": "draws a curve that cannot be followed",
    "G6": "drives the motors directly",
    "G18": "turns arcs out of the plane of the bed",
    "G19": "turns arcs out of the plane of the bed",
    "G20": "switches to inches",
    "G26": "heats and prints a pattern of its own",
    "G33": "recalibrates the geometry of the machine",
    "G38": "moves until a probe touches",
    "G53": "moves in other coordinates",
    "G54": "switches to other coordinates",
    "G55": "switches to other coordinates",
    "G56": "switches to other coordinates",
    "G57": "switches to other coordinates",
    "G58": "switches to other coordinates",
    "G59": "switches to other coordinates",
    "G425": "moves until a probe touches",
}

# Klipper has hundreds of extended commands, many of which reconfigure the printer or the machine
# it runs on, so there the list says what may pass.
KLIPPER_ALLOWED = frozenset(
    {
        "PRINT_START",
        "PRINT_END",
        "START_PRINT",
        "END_PRINT",
        "PAUSE",
        "BED_MESH_CALIBRATE",
        "BED_MESH_CLEAR",
        "BED_MESH_PROFILE",
        "QUAD_GANTRY_LEVEL",
        "Z_TILT_ADJUST",
        "CLEAN_NOZZLE",
        "EXCLUDE_OBJECT_DEFINE",
        "EXCLUDE_OBJECT_START",
        "EXCLUDE_OBJECT_END",
        "SET_FAN_SPEED",
        "SET_PRESSURE_ADVANCE",
        "SET_PRINT_STATS_INFO",
        "SET_RETRACTION",
        "SET_VELOCITY_LIMIT",
        "TIMELAPSE_TAKE_FRAME",
    }
)
