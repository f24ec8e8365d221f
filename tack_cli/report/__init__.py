# SPDX-License-Identifier: Apache-2.0
"""What a replay leaves behind: JSON lines, pictures, a video and one page that shows it all."""
