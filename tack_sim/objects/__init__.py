# SPDX-License-Identifier: Apache-2.0
"""Object families: each module makes endless instances of one class, all of one topology.

Because every instance of a class has the same faces, (face, barycentric weights) is the canonical
coordinate of a surface point: the same numbers name the same place on every instance.
"""
