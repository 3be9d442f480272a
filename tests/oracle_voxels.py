"""Slow float64 loops for rotation, voxels, projection and the variation model, from the description alone."""

from __future__ import annotations

import math

import numpy as np


def rotate(point, axis, centre, degrees):
    """Rotate one point about a line by Rodrigues' formula."""
    angle = math.radians(degrees)
    p = np.asarray(point, np.float64) - centre
    turned = p * math.cos(angle) + np.cross(axis, p) * math.sin(angle) + axis * (axis @ p) * (1 - math.cos(angle))
    return turned + centre


def cube(clouds):
    """Return corner and side of the cube about all points of some clouds (N, 3)."""
    points = [p for cloud in clouds for p in cloud.astype(np.float64)]
    low = [min(p[a] for p in points) for a in range(3)]
    high = [max(p[a] for p in points) for a in range(3)]
    side = max(top - end for top, end in zip(high, low, strict=True))
    return np.array([(top + end - side) / 2 for top, end in zip(high, low, strict=True)]), side


def voxel(point, corner, side, grid):
    """Return (z, y, x) of a point's voxel, None outside of the cube; its far faces belong to it."""
    cell = []
    for axis in (2, 1, 0):
        place = (float(point[axis]) - corner[axis]) / side * grid
        if not -1e-9 <= place <= grid * (1 + 1e-9):
            return None
        cell.append(min(max(math.floor(place), 0), grid - 1))
    return tuple(cell)


def voxelise(points, colours, corner, side, grid, rgb):
    """Return the grid (C, D, H, W): -1 where empty, else 1 or the mean colour."""
    inside: dict[tuple[int, ...], list[np.ndarray]] = {}
    for point, colour in zip(points, colours, strict=True):
        found = voxel(point, corner, side, grid)
        if found is not None:
            inside.setdefault(found, []).append(colour.astype(np.float64) / 255)
    values = np.full((3 if rgb else 1, grid, grid, grid), -1.0)
    for place, seen in inside.items():
        values[(slice(None), *place)] = np.mean(seen, axis=0) if rgb else 1.0
    return values


def ray_maximum(scores, origin, direction, corner, side, ahead):
    """Return the largest score at 2 * grid places of a ray, evenly from entry to exit; 0 where it misses the cube."""
    grid = scores.shape[0]
    entry, leave = (0.0 if ahead else -math.inf), math.inf
    for axis in range(3):
        if abs(direction[axis]) < 1e-15:
            if not corner[axis] <= origin[axis] <= corner[axis] + side:
                return 0.0
            continue
        times = sorted((corner[axis] + end - origin[axis]) / direction[axis] for end in (0.0, side))
        entry, leave = max(entry, times[0]), min(leave, times[1])
    if leave <= entry:
        return 0.0
    best = 0.0
    for step in range(2 * grid):
        place = origin + (entry + (leave - entry) * (step + 0.5) / (2 * grid)) * direction
        found = voxel(place, corner, side, grid)
        best = max(best, 0.0 if found is None else float(scores[found]))
    return best


def draw_depth(points, colours, project, distance, background, shape):
    """Return depth (H, W) and colours (H, W, 3): points at their nearest pixels, the nearest point of each wins."""
    depth, image = np.zeros(shape), background.astype(np.float64).copy()
    for point, colour in zip(points, colours, strict=True):
        column, row = (math.floor(c + 0.5) for c in project(point))
        if 0 <= row < shape[0] and 0 <= column < shape[1]:
            there = distance(point)
            if depth[row, column] == 0 or there < depth[row, column]:
                depth[row, column], image[row, column] = there, colour
    return depth, image


def variation(items, least=None):
    """Return mean and deviation of items (C, ...), element by element; ``least`` None for values of -1 and +1."""
    stacked = np.stack(items).astype(np.float64)
    mean, deviation = np.empty(stacked.shape[1:]), np.empty(stacked.shape[1:])
    for place in np.ndindex(*stacked.shape[1:]):
        column = stacked[(slice(None), *place)]
        mean[place] = sum(column) / len(column)
        if least is None:
            p = (sum(value > 0 for value in column) + 1) / (len(column) + 2)
            deviation[place] = 2 * math.sqrt(p * (1 - p))
        else:
            spread = math.sqrt(sum((value - mean[place]) ** 2 for value in column) / len(column))
            deviation[place] = max(spread, least[place[0]])
    return mean, deviation
