# SPDX-License-Identifier: Apache-2.0
"""The simulated robot as its drivers show it: joint states, TF, controllers, cameras, /clock."""
